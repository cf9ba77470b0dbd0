"""Trains a classifier on scikit-learn's pictures of handwritten digits."""

from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

EPOCHS = 20

images, digits = load_digits(return_X_y=True)
seen, unseen, seen_digits, unseen_digits = train_test_split(
    images, digits, test_size=0.25, random_state=0, stratify=digits
)
scaler = StandardScaler().fit(seen)
seen, unseen = scaler.transform(seen), scaler.transform(unseen)
print(f"training on {len(seen)} images, judging by {len(unseen)} others", flush=True)

model = MLPClassifier(hidden_layer_sizes=(64,), learning_rate_init=0.002, random_state=0)
for epoch in range(1, EPOCHS + 1):
    model.partial_fit(seen, seen_digits, classes=range(10))
    accuracy = accuracy_score(unseen_digits, model.predict(unseen))
    print(f"epoch={epoch}/{EPOCHS} loss={model.loss_:.4f} accuracy={accuracy:.4f}", flush=True)
