"""Pipelines: functions as steps, each a run, chained or as a graph, retried, cached and resumed."""
