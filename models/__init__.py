"""Pre-specified analyses, one TOML file each; opened with ``bayesrtw.open_analysis``."""
