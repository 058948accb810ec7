"""Equation 4 of the paper as pure functions of tensors: costs, penalties and priors."""
