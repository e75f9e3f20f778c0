"""Shipped data sets, one folder each; read with bayesrtw.open_dataset."""
