"""The names of steps: those of two losses are aligned by them, so that one thing has one name."""

from __future__ import annotations


def read_words(text: str) -> frozenset[str]:
    """Return the words of a list."""
    return frozenset(" ".join(word.split()) for word in text.split(";"))


GIVEN = read_words("""
anchor; bias; embedding; features; first embedding; first score; frames; label; labels;
log-probabilities; log-probability; log-rate; logit; logits; negative; positive; predicted box;
prediction; probabilities; probability; rate; relevance; score; scores; second embedding;
second score; sign; target; true box; variance
""")
"""What is read, if by another form (a probability may be made of a logit, a rate of its log)."""

CHANGED = read_words("""
clipped distance; clipped length of the prediction; clipped length of the target;
clipped log-complement; clipped log-probability; clipped prediction;
clipped probabilities; clipped probability; clipped size; clipped target; clipped variance;
nearer distance; smoothed target; weighted relevance
""")
"""What is changed before it is used."""

BETWEEN = read_words("""
above the target; agreement; below the target; below the threshold; best alignment;
best log-probability; best other score; class losses; class terms; classes that count; constant;
cosine; cross entropy; diagonal of the outer box; difference; difference of logarithms; distance;
distance between both; distance of the centres; distance to the negative;
distance to the positive; distances of the partners; empty part; exponentials; extended labels;
false negatives; false positives; focusing factor; focusing factors; frequencies; hinges;
intersection; items that are there; lack; lag; length of the prediction; length of the target;
likelihood term; listed classes; log of the prediction; log of the target; log of the variance;
log-complement; log-likelihood; log-ratio; log-sum-exp; maximum;  missing probability;
negative term; norms; outer area; overlap; pair losses; partners; positive term; positive weight;
power; probability of the target; product; proportions; pull; push;
rank of the target; relative difference; relative distance; rivals; scaled cosines;
scaled log-ratio; scaled square; score of the target; share of the best; shares; size;
smoothing term; squared distance; Stirling term; sum; surplus; term of both;
term of the prediction; term of the target; threshold; union; unweighted loss; weight
""")
"""What stands between the inputs and the loss."""

ENDING = read_words("""
contribution; denominator; divisor; effect of the row; element losses; left out; loss;
loss without the row; mean; result; sample weight; share of the denominator; weighted loss
""")
"""What the loss is, and what becomes of it."""

OF_ROW, OF_ALL = "{} of the row", "{} of all"
"""Named sums that a loss is made of: what a row adds to one, and what all rows do."""


WORDS = GIVEN | CHANGED | BETWEEN | ENDING
"""All of them, apart from the names of sums."""


def find_reading(key: str) -> str:
    """Return what an input is taken for: one or several are the same, and a logit is a score."""
    return {
        "logit": "score",
        "logits": "score",
        "log-probabilities": "log-probability",
        "probabilities": "probability",
        "scores": "score",
    }.get(key, key)


def find_fact(key: str) -> str:
    """Return which declared fact a step depends on; nothing if none does more than others."""
    if key.startswith("clipped"):
        return "clipping"
    return {
        "smoothed target": "smoothing",
        "smoothing term": "smoothing",
        "sign": "labels",
        "element losses": "axis",
        "denominator": "denominator",
        "contribution": "denominator",
    }.get(key, "")
