"""From what users said of a server's answers to versions of data: rows, review, curation."""
