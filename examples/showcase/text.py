"""Text: which data set of scikit-learn a sentence of its own descriptions is about, by a bag of words.

Look for words that give a text away:

    run = ml.runs(experiment="23-text")[0]
    run.params["vocabulary"]
    ml.load_artifact(run.id, "keywords")["iris"]
"""

from __future__ import annotations

import re

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

import chachaml as ml

LOADERS = {
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}


def main() -> str:
    """Count words, and let naive Bayes judge by them; return the run's id."""
    texts, labels = [], []
    for name, load in LOADERS.items():
        words = re.findall(r"[A-Za-z]{3,}", load().DESCR)
        pieces = [" ".join(words[at : at + 12]) for at in range(0, len(words) - 11, 12)]
        texts += pieces
        labels += [name] * len(pieces)
    with ml.start_run("23-text", tags={"category": "text"}) as run:
        counter = CountVectorizer(stop_words="english")
        counts = counter.fit_transform(texts)
        ml.log_params({"texts": len(texts), "vocabulary": len(counter.vocabulary_), "words_a_text": 12})
        scores = cross_val_score(make_pipeline(counter, MultinomialNB()), texts, labels, cv=5)
        commonest = max(labels.count(name) for name in LOADERS) / len(labels)
        ml.log_metrics({"accuracy": scores.mean(), "accuracy_of_the_commonest": commonest})
        model, words = MultinomialNB().fit(counts, labels), counter.get_feature_names_out()
        typical = model.feature_log_prob_ - model.feature_log_prob_.mean(axis=0)
        keywords = {
            str(name): words[np.argsort(-row)[:5]].tolist()
            for name, row in zip(model.classes_, typical, strict=True)
        }
        ml.log_artifact("keywords", keywords)
    return run.id
