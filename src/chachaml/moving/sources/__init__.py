"""What runs are imported from: one module for each tool, with a function `open_source`."""
