"""Users' programs of the first generation, with nothing changed but what they import from.

The ten programs that they are taken from grow step by step out of one, so the later ones are made here from the first
in the same steps. What they do with a server (projects, registering) is left out.
"""

from __future__ import annotations

import re

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

SLEEP = "  time.sleep(5)\n"
ALPHAS = (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001)
PARAMETER = "Parameter('alphas', default=[1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001])"
CLEANUP = """\
@task(log_stdout=True)
def cleanup_file(filename):
  print('cleanup_dataset begin')
  Path(filename).unlink()
  time.sleep(5)
  print('cleanup_dataset begin')

"""
CLEANUP_STEPS = """\
  cleanup_files = cleanup_file.map(
      flatten([[dataset_filename], model_filenames, train_test_dataset_filename]))
  cleanup_files.set_upstream(eval_model_filenames)
"""


def step(program: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in program
        program = program.replace(old, new)
    return program


def program_3() -> str:
    run = "\nprint('flow.run() begin')\nflow.run()\nprint('flow.run() end')\n"
    return step(PROGRAM, ("code_2", "code_3"), (run, ""))


def program_4(alpha: str = "1.0") -> str:
    return step(
        program_3(),
        ("code_3", "code_4"),
        ("LinearRegression", "Ridge"),
        ("@task", "@task(log_stdout=True)"),
        ("def train_model(train_dataset_filename)", "def train_model(train_dataset_filename, alpha)"),
        ("f'model_{train_dataset_filename}'", "f'model_{alpha}_{train_dataset_filename}'"),
        ("Ridge()", "Ridge(alpha=alpha)"),
        (
            "train_model(train_test_dataset_filename[0])",
            f"train_model(train_test_dataset_filename[0], {alpha})",
        ),
    )


def program_5() -> str:
    return step(
        program_4("alpha"),
        ("code_4", "code_5"),
        ("import task, Flow", "import task, Flow, Parameter"),
        ("as flow:\n", "as flow:\n  alpha = Parameter('alpha')\n"),
    )


def program_6() -> str:
    program = step(
        program_5(),
        ("code_5", "code_6"),
        ("import task, Flow, Parameter", "import task, Flow, Parameter, unmapped"),
        ("from pathlib", "import time\nfrom pathlib"),
        ("alpha = Parameter('alpha')", "alphas = Parameter('alphas')"),
        (
            "train_model(train_test_dataset_filename[0], alpha)",
            "train_model.map(unmapped(train_test_dataset_filename[0]), alphas)",
        ),
        (
            "evaluate_model(\n      model_filename, train_test_dataset_filename[1])",
            "evaluate_model.map(\n      model_filenames, unmapped(train_test_dataset_filename[1]))",
        ),
        ("  model_filename = train_model.map", "  model_filenames = train_model.map"),
        ("  eval_model_filename = evaluate_model.map", "  eval_model_filenames = evaluate_model.map"),
        ("'model_filename', model_filename", "'model_filenames', model_filenames"),
        ("'eval_model_filename', eval_model_filename", "'eval_model_filenames', eval_model_filenames"),
    )
    return re.sub(r"(  print\('\w+ end'\)\n)", SLEEP.replace("\\", "") + r"\1", program)


def program_7() -> str:
    return step(
        program_6(),
        ("code_6_flow'", "code_7_flow', executor=LocalDaskExecutor()"),
        ("unmapped\n", "unmapped\nfrom blocks_flows.executors import LocalDaskExecutor\n"),
        ("Parameter('alphas')", PARAMETER),
    )


def program_8() -> str:
    return step(
        program_7(),
        ("code_7", "code_8"),
        ("import time\n", "import time\nimport random\n"),
        (
            "  print('train_model begin')\n",
            "  print('train_model begin')\n  if random.random() < 0.5:\n    raise Exception('internal error')\n",
        ),
    )


def program_9() -> str:
    return step(
        program_7(),
        ("code_7", "code_9"),
        ("unmapped\n", "unmapped, flatten\n"),
        ("with Flow", CLEANUP + "with Flow"),
        (
            "unmapped(train_test_dataset_filename[1]))\n",
            "unmapped(train_test_dataset_filename[1]))\n" + CLEANUP_STEPS,
        ),
    )
