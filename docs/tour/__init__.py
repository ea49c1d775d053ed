"""Makes the pictures of the tour: `python -m docs.tour`, or `make screenshots`."""
