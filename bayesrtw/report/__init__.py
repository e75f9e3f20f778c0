"""A finished synthesis for people and for machines: JSON, tables, folders of results."""
