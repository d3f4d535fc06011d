"""Train ridge models for several alphas in parallel, with data and results in S3, and tell Slack when it fails.

    python examples/pipeline.py                        # six alphas
    python examples/pipeline.py --alphas 1.0 -1.0      # a negative alpha is refused, so the run fails

It needs three saved blocks. `make demo` runs it with blocks of its own, which are gone afterwards; yours are made by

    block create s3 data --set bucket=YOUR-BUCKET --set prefix=data
    block create s3 results --set bucket=YOUR-BUCKET --set prefix=results
    block create slack-webhook alerts --secret url
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import PurePosixPath

import numpy as np
from joblib import dump, load
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

from blocks_aws import S3
from blocks_flows import Flow, Parameter, task, unmapped
from blocks_flows.executors import LocalDaskExecutor


def write_table(path: str, table: np.ndarray) -> str:
    text = io.StringIO()
    np.savetxt(text, table, delimiter=",")
    S3.load("data").write(path, text.getvalue().encode())
    return path


def read_table(path: str) -> np.ndarray:
    return np.loadtxt(io.StringIO(S3.load("data").read(path).decode()), delimiter=",")


@task(log_stdout=True)
def make_data() -> str:
    random = np.random.RandomState(seed=17)
    slope, offset = random.uniform(-10, 10, 2)
    x = random.uniform(-10, 10, size=100)
    y = slope * x + offset + random.uniform(-10, 10, size=100)
    print(f"made 100 points around y = {slope:.2f} x + {offset:.2f}")
    return write_table("dataset.csv", np.column_stack((x, y)))


@task
def split(path: str) -> tuple[str, str]:
    table = read_table(path)
    train, test = train_test_split(table, random_state=23)
    return write_table(f"train_{path}", train), write_table(f"test_{path}", test)


@task(retries=1, retry_delay_seconds=0.5)
def train_model(path: str, alpha: float) -> str:
    table = read_table(path)
    model = Ridge(alpha=alpha).fit(table[:, :1], table[:, 1])
    packed = io.BytesIO()
    dump(model, packed)
    target = str(PurePosixPath(f"model_{alpha}_{path}").with_suffix(".joblib"))
    S3.load("data").write(target, packed.getvalue())
    return target


@task
def evaluate_model(model_path: str, test_path: str) -> float:
    model = load(io.BytesIO(S3.load("data").read(model_path)))
    table = read_table(test_path)
    return float(model.score(table[:, :1], table[:, 1]))


with Flow(
    "train",
    executor=LocalDaskExecutor(num_workers=6),
    result_storage="s3/results",
    on_failure="slack-webhook/alerts",
) as flow:
    alphas = Parameter("alphas", default=[1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001])
    dataset = make_data()
    parts = split(dataset)
    models = train_model.map(unmapped(parts[0]), alphas)
    scores = evaluate_model.map(models, unmapped(parts[1]))


def main() -> int:
    options = argparse.ArgumentParser(description="Train ridge models in parallel.")
    options.add_argument("--alphas", type=float, nargs="+", help="Strengths of the regularisation.")
    given = options.parse_args().alphas
    state = flow.run(parameters={"alphas": given} if given else None, progress=True)
    return 0 if state.is_successful() else 1


if __name__ == "__main__":
    sys.exit(main())
