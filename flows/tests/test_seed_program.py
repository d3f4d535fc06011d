"""A user's program of the first generation, with nothing changed but what it imports from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
from pathlib import Path
import numpy as np
from joblib import dump, load
from sklearn.model_selection import train_test_split
from sklearn.linear_model import LinearRegression
from blocks_flows import task, Flow

@task
def download_dataset():
  print('download_dataset begin')
  dataset_filename = 'dataset.csv'
  random_state = np.random.RandomState(seed=17)
  a, b = random_state.uniform(-10, 10, 2)
  x_data = random_state.uniform(-10, 10, size=100)
  y_data = a * x_data + b + random_state.uniform(-10, 10, size=100)
  dataset = np.column_stack((x_data, y_data))
  np.savetxt(dataset_filename, dataset, delimiter=',')
  print('download_dataset end')
  return dataset_filename

@task
def preprocess_dataset(dataset_filename):
  print('preprocess_dataset begin')
  train_dataset_filename = f'train_{dataset_filename}'
  test_dataset_filename = f'test_{dataset_filename}'
  dataset = np.loadtxt(dataset_filename, delimiter=',')
  x_train, x_test, y_train, y_test = train_test_split(
      dataset[:, 0], dataset[:, 1], random_state=23)
  train_dataset = np.column_stack((x_train, y_train))
  test_dataset = np.column_stack((x_test, y_test))
  np.savetxt(train_dataset_filename, train_dataset, delimiter=',')
  np.savetxt(test_dataset_filename, test_dataset, delimiter=',')
  print('preprocess_dataset end')
  return train_dataset_filename, test_dataset_filename

@task
def train_model(train_dataset_filename):
  print('train_model begin')
  model_filename = str(
      Path(f'model_{train_dataset_filename}').with_suffix('.joblib'))
  dataset = np.loadtxt(train_dataset_filename, delimiter=',')
  model = LinearRegression().fit(dataset[:, 0:1], dataset[:, 1])
  dump(model, model_filename)
  print('train_model end')
  return model_filename

@task
def evaluate_model(model_filename, test_dataset_filename):
  print('evaluate_model begin')
  eval_model_filename = str(Path(f'eval_{model_filename}').with_suffix('.txt'))
  model = load(model_filename)
  dataset = np.loadtxt(test_dataset_filename, delimiter=',')
  score = model.score(dataset[:, 0:1], dataset[:, 1])
  np.savetxt(eval_model_filename, [score])
  print('evaluate_model end')
  return eval_model_filename

with Flow('code_2_flow') as flow:
  dataset_filename = download_dataset()
  train_test_dataset_filename = preprocess_dataset(dataset_filename)
  model_filename = train_model(train_test_dataset_filename[0])
  eval_model_filename = evaluate_model(
      model_filename, train_test_dataset_filename[1])

print('dataset_filename', dataset_filename)
print('train_Test_dataset_filename', train_test_dataset_filename)
print('model_filename', model_filename)
print('eval_model_filename', eval_model_filename)

print('flow.run() begin')
flow.run()
print('flow.run() end')
"""

OUTPUT = """\
dataset_filename <Task: download_dataset>
train_Test_dataset_filename <Task: preprocess_dataset>
model_filename <Task: train_model>
eval_model_filename <Task: evaluate_model>
flow.run() begin
[TIME] INFO - blocks_flows.FlowRunner | Beginning Flow run for 'code_2_flow'
[TIME] INFO - blocks_flows.TaskRunner | Task 'download_dataset': Starting task run...
download_dataset begin
download_dataset end
[TIME] INFO - blocks_flows.TaskRunner | Task 'download_dataset': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset': Starting task run...
preprocess_dataset begin
preprocess_dataset end
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset[1]': Starting task run...
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset[1]': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset[0]': Starting task run...
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset[0]': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'train_model': Starting task run...
train_model begin
train_model end
[TIME] INFO - blocks_flows.TaskRunner | Task 'train_model': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'evaluate_model': Starting task run...
evaluate_model begin
evaluate_model end
[TIME] INFO - blocks_flows.TaskRunner | Task 'evaluate_model': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.FlowRunner | Flow run SUCCESS: all reference tasks succeeded
flow.run() end
"""


def test_the_program_prints_and_computes_what_it_always_did(tmp_path: Path, home: Path) -> None:
    pytest.importorskip("sklearn", reason="the user's program needs scikit-learn: make setup installs it")
    folder = tmp_path / "code_2"
    folder.mkdir()
    (folder / "code_2.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "code_2.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TZ": "Asia/Seoul"},
    )
    assert done.stderr == ""
    stamp = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+0900\]"
    assert re.sub(stamp, "[TIME]", done.stdout) == OUTPUT
    assert sorted(path.name for path in folder.iterdir()) == [
        "code_2.py",
        "dataset.csv",
        "eval_model_train_dataset.txt",
        "model_train_dataset.joblib",
        "test_dataset.csv",
        "train_dataset.csv",
    ]
    score = float((folder / "eval_model_train_dataset.txt").read_text())
    assert score == pytest.approx(9.655153179853411816e-01, abs=1e-12)
