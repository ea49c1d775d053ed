"""Benchmarks: chachaml beside other trackers, all in one run on one machine.

`python -m benchmarks.run` measures every subject (`limits`, `log_call`, `long_series`, `start`,
`crash`, `writers`, `many_runs`) and writes ``RESULTS.md``. Everything measured happens in fresh
processes in fresh folders; modules here need only the standard library, because the processes of
the other trackers load them too.
"""
