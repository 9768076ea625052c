"""The benchmark of vipd beside keepalived and FRR's vrrpd: `integration/bench` runs `python -m benchmark`.

A *round* is one scenario on one peer in a lab of its own; it becomes one line of `runs.jsonl`. The *series* says which rounds are wanted and
which are there already. The *report* reads only that file. Measuring and judging are apart: nothing here changes what was measured.
"""
