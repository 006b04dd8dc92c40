"""Training and evaluation: data, augmentation, recipes, the loop, and Fig. 1 of the paper."""
