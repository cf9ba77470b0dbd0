"""Judges a linear classifier of handwritten digits by cross-validation."""

import argparse
import warnings

from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score

# What is not given stays as scikit-learn has it.
arguments = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
arguments.add_argument("--alpha", type=float)
arguments.add_argument("--loss")
arguments.add_argument("--max_iter", type=int)
chosen = vars(arguments.parse_args())

warnings.simplefilter("ignore")  # Few passes may be too few, which the accuracy tells.
images, digits = load_digits(return_X_y=True)
folds = StratifiedKFold(3, shuffle=True, random_state=0)
model = SGDClassifier(random_state=0, **chosen)
accuracy = cross_val_score(model, images, digits, cv=folds).mean()
print(f"accuracy={accuracy:.4f}", flush=True)
