"""The course's figures: pure functions of their data that return a matplotlib ``Figure``.

No function here touches pyplot, so nothing is shown twice, nothing stays open and nothing has to be closed. A
figure knows its own description; ``show(figure)`` puts picture and description into a notebook. A file for each
subject, ``parts`` for what they share.
"""

from alexnet_edu.figures.attribution import agreement, map_table
from alexnet_edu.figures.claims import effects, scatter
from alexnet_edu.figures.costs import cost_bars, model_map, roofline
from alexnet_edu.figures.handmade import pipeline_steps
from alexnet_edu.figures.history import error_budget, growth, ilsvrc_history
from alexnet_edu.figures.inside import (
    feature_map_grid,
    filter_grid,
    heat_over,
    receptive_fields,
    strongest_map_grid,
    tower_filters,
    tower_scores,
)
from alexnet_edu.figures.learning import learning_curve, relu_and_tanh
from alexnet_edu.figures.plots import bars, curves, named_rows, picture_grid, points
from alexnet_edu.figures.predictions import reliability, top5_bars
from alexnet_edu.figures.shapes import field_growth, padded_corners, who_notices
from alexnet_edu.figures.showing import Shown, show, wall
from alexnet_edu.figures.timeline import step_timeline

__all__ = [
    "Shown",
    "agreement",
    "bars",
    "cost_bars",
    "curves",
    "effects",
    "error_budget",
    "feature_map_grid",
    "field_growth",
    "filter_grid",
    "growth",
    "heat_over",
    "ilsvrc_history",
    "learning_curve",
    "map_table",
    "model_map",
    "named_rows",
    "padded_corners",
    "picture_grid",
    "pipeline_steps",
    "points",
    "receptive_fields",
    "reliability",
    "relu_and_tanh",
    "roofline",
    "scatter",
    "show",
    "step_timeline",
    "strongest_map_grid",
    "top5_bars",
    "tower_filters",
    "tower_scores",
    "wall",
    "who_notices",
]
