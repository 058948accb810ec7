"""The official code run beside this one: recorded there, replayed and compared here."""
