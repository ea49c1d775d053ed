"""A tiny BERT of random weights, fine-tuned by the Trainer of Hugging Face on made-up sentences.

Nothing is downloaded. Needs transformers, accelerate and torch, which are large: `make examples-heavy`
installs them into an environment of their own.
"""

from __future__ import annotations

import random
import tempfile
from typing import Any

from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import chachaml as ml

GOOD, BAD = "good great fine lovely superb".split(), "bad awful poor dreadful worst".split()
OTHER = "the film was and its story with actors very quite music a long evening".split()
WORDS = {word: number for number, word in enumerate(["[PAD]", "[CLS]", *GOOD, *BAD, *OTHER])}
LENGTH = 12


def sentence(rng: random.Random) -> dict[str, Any]:
    """Return words as numbers, three of them praise or blame, and which it is."""
    label = rng.randrange(2)
    words = rng.choices(OTHER, k=LENGTH - 4) + rng.choices((BAD, GOOD)[label], k=3)
    rng.shuffle(words)
    numbers = [WORDS[word] for word in ["[CLS]", *words]]
    return {"input_ids": numbers, "attention_mask": [1] * len(numbers), "labels": label}


class Logging(TrainerCallback):  # type: ignore[misc]
    """Hands what the Trainer logs to the current run."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:  # noqa: ARG002
        """Log numbers at the Trainer's own step."""
        numbers = {key: value for key, value in logs.items() if isinstance(value, (int, float))}
        ml.log_metrics(numbers, step=state.global_step)


def accuracy(said: Any) -> dict[str, float]:
    """Return how many sentences were understood."""
    return {"accuracy": float((said.predictions.argmax(axis=1) == said.label_ids).mean())}


def main(epochs: int = 3) -> str:
    """Fine-tune in one run and return its id."""
    rng = random.Random(0)
    train, test = [sentence(rng) for _ in range(800)], [sentence(rng) for _ in range(200)]
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LENGTH,
    )
    with ml.start_run("tiny-bert", name="random weights") as run, tempfile.TemporaryDirectory() as folder:
        ml.set_seed(0)
        ml.log_params({"epochs": epochs, "model": config.to_diff_dict()})
        model = BertForSequenceClassification(config)
        asked = TrainingArguments(
            folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=16,
            learning_rate=3e-3,
            eval_strategy="epoch",
            logging_steps=10,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
        )
        trainer = Trainer(
            model,
            asked,
            train_dataset=train,
            eval_dataset=test,
            compute_metrics=accuracy,
            callbacks=[Logging()],
        )
        trainer.train()
        ml.log_artifact("weights", {key: value.clone() for key, value in model.state_dict().items()})
    return run.id


if __name__ == "__main__":
    print(ml.run(main()))
