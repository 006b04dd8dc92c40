"""The claims lab: what the paper says of its choices, measured again with many seeds and an interval.

``arms`` says what is compared, ``pictures`` on what, ``trial`` trains one network, ``runs`` keeps what was measured and
says what to measure next, ``verdicts`` draws the conclusions. ``python -m experiments.claims_lab`` runs the lab.
"""
