"""How files are read: CSV, workbooks, RevMan, data packages, folders; and written whole."""
