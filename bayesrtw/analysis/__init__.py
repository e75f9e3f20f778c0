"""A question fixed before the fit: analyses as files, the register, and running them."""
