"""MLflow's REST API: whatever logs to an MLflow server logs here, and reads what others logged.

This room alone speaks MLflow's words: its status codes, limits, filters and URIs. What it keeps are runs,
metrics, artifacts and models like any other; a path or URI of a client is taken apart, never kept or opened.
"""
