"""A page in a browser on which codes are moved by hand; only `page` and `server` know of Gradio."""
