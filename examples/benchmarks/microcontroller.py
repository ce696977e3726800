"""Measure models as C on two processors of microcontrollers, which QEMU emulates.

Needs arm-none-eabi-gcc with newlib, and qemu-system-arm (packages gcc-arm-none-eabi,
libnewlib-arm-none-eabi, qemu-system-arm). An emulated instruction takes one nanosecond of
the timer of the board, so that instructions are counted, not cycles. Run with
``python examples/benchmarks/microcontroller.py > docs/benchmarks/microcontroller.md``.
"""

import re
import subprocess
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import PrunedClassifier, compact
from sklearn_prune.persistence import to_c

N_ROWS = 40  # that are predicted on the board
NANOSECONDS = 40  # of one tick of the timer, at 25 MHz
BOARDS = {
    "Cortex-M3": ("mps2-an385", "-mcpu=cortex-m3 -mthumb"),
    "Cortex-M4F": (
        "mps2-an386",
        "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16",
    ),
}
FLAGS = "-Os -std=c99 -Wall -Wextra -ffunction-sections -fdata-sections"
LINKER = """
ENTRY(reset)
SECTIONS {
  .text 0x0 : { KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.ARM.ex*) }
  data_load = .;
  .data 0x20000000 : AT(data_load) { data_begin = .; *(.data*) data_end = .; }
  .bss : { bss_begin = .; *(.bss*) *(COMMON) bss_end = .; end = .; }
}
"""
START = """
#include <stdint.h>
extern uint32_t data_begin, data_end, data_load, bss_begin, bss_end;
extern int main(void);
void reset(void);
__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    (void *)0x20400000, (void *)reset};
static void host(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
void say(const char *text) { host(4, text); }
void reset(void)
{
    uint32_t *from = &data_load, *to = &data_begin;
    *(volatile uint32_t *)0xE000ED88 |= 0xF00000; /* switches the FPU on */
    while (to < &data_end) *to++ = *from++;
    for (to = &bss_begin; to < &bss_end; to++) *to = 0;
    main();
    host(0x18, (void *)0x20026);
    for (;;) {}
}
"""
MAIN = """
#include <stdio.h>
#include "model.h"
void say(const char *);
#define TIMER ((volatile uint32_t *)0xE000E010)
static const model_input rows[{n_rows}][MODEL_N_FEATURES] = {{ {rows} }};
static const int labels[{n_rows}] = {{ {labels} }};
int main(void)
{{
    char text[80];
    uint32_t i, begin, ticks, wrong = 0;
    TIMER[1] = 0xffffff;
    TIMER[2] = 0;
    TIMER[0] = 5;
    begin = TIMER[2];
    for (i = 0; i < {n_rows}; i++) wrong += model_predict(rows[i]) != labels[i];
    ticks = (begin - TIMER[2]) & 0xffffff;
    sprintf(text, "%d %lu %lu\\n", model_selftest(), (unsigned long)wrong,
            (unsigned long)ticks);
    say(text);
    return 0;
}}
"""


def models():
    """Name, fitted model, test rows and the options of to_c."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    forest = RandomForestClassifier(100, random_state=0)
    full = forest.fit(X, y)
    digits = (X_test, y_test)
    yield "digits, forest of 100", full, digits, {}
    yield "digits, forest of 100, size", full, digits, {"optimize": "size"}
    for keep in (0.2, 0.05):
        pruned = PrunedClassifier(forest, keep=keep, random_state=0).fit(X, y)
        options = {"precision": "float"}
        yield f"digits, forest, keep={keep:g}", pruned, digits, options
    logistic = LogisticRegression(max_iter=3000)
    for keep in (1.0, 0.3):
        pruned = PrunedClassifier(logistic, keep=keep, random_state=0).fit(X, y)
        options = {"precision": "float"}
        yield f"digits, logistic regression, keep={keep:g}", pruned, digits, options
    net = make_pipeline(StandardScaler(), MLPClassifier(32, random_state=0))
    for keep in (1.0, 0.2):
        pruned = PrunedClassifier(net, keep=keep, random_state=0).fit(X, y)
        yield f"digits, scaler and net, keep={keep:g}", pruned, digits, options
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    cancer = (X_test, y_test)
    large = LGBMClassifier(verbose=-1, n_jobs=1).fit(X, y)
    yield "breast cancer, LightGBM of 100", large, cancer, {"precision": "float"}
    small = LGBMClassifier(
        n_estimators=60, max_bin=16, num_leaves=8, learning_rate=0.25, verbose=-1, n_jobs=1
    )
    pruned = PrunedClassifier(small, keep=0.2, random_state=0).fit(X, y)
    yield "breast cancer, small LightGBM, keep=0.2", pruned, cancer, {"precision": "float"}
    options = {"precision": "float", "layout": "stream"}
    yield "breast cancer, the same, stream", pruned, cancer, options
    shallow = ExtraTreesClassifier(10, max_depth=4, random_state=0).fit(X, y)
    yield (
        "breast cancer, 10 extra trees of depth 4",
        shallow,
        cancer,
        {"precision": "float"},
    )


def call(command, folder):
    """The standard output of a command of words."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr[:2000])
    return done.stdout + done.stderr


def sections(folder, compiler, flags):
    """Bytes of flash and of RAM of the object file of the model."""
    command = [f"{compiler}gcc", *flags, *FLAGS.split(), "-c", "model.c", "-o", "model.o"]
    call(command, folder)
    listed = call([f"{compiler}size", "-A", "model.o"], folder)
    flash = ram = 0
    for name, size in re.findall(r"^(\.\S+)\s+(\d+)", listed, re.M):
        if name.startswith((".text", ".rodata")):
            flash += int(size)
        elif name.startswith((".data", ".bss")):
            ram += int(size)
    return flash, ram


def measure(model, X, options):
    """Flash, RAM, stack, and for each board instructions and numbers of wrong rows."""
    form = compact(model)
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        to_c(model, folder / "model.c", **options)
        header = (folder / "model.h").read_text()
        kind = re.search(r"typedef (\w+) model_input", header)[1]
        rows = X[:N_ROWS].astype(np.float32 if kind == "float" else np.float64)
        codes = np.searchsorted(form.classes_, form.predict(rows))
        content = ",".join("{" + ",".join(map(repr, row.tolist())) + "}" for row in rows)
        texts = {
            "start.c": START,
            "map.ld": LINKER,
            "main.c": MAIN.format(
                n_rows=N_ROWS, rows=content, labels=",".join(map(str, codes))
            ),
        }
        for name, text in texts.items():
            (folder / name).write_text(text)
        found = {}
        for board, (machine, flags) in BOARDS.items():
            flags = flags.split()
            found[board] = sections(folder, "arm-none-eabi-", flags)
            rest = "-DMODEL_SELFTEST -nostartfiles -T map.ld --specs=nosys.specs -w"
            sources = ["start.c", "main.c", "model.c", "-lm", "-o", "board.elf"]
            options = [*flags, "-Os", *rest.split()]
            call(["arm-none-eabi-gcc", *options, *sources], folder)
            emulator = f"qemu-system-arm -M {machine} -nographic -monitor none -serial none"
            emulator += " -icount shift=0 -semihosting-config enable=on,target=native"
            said = call([*emulator.split(), "-kernel", "board.elf"], folder)
            selftest, wrong, ticks = map(int, said.split()[:3])
            found[board] += (selftest, wrong, ticks * NANOSECONDS / N_ROWS)
        return found


def main():
    print(
        f"""# Models on microcontrollers, measured

Output of `examples/benchmarks/microcontroller.py`. The C of each model was compiled by
arm-none-eabi-gcc with `-Os`, for a Cortex-M3 (no FPU) and a Cortex-M4F (an FPU of single
precision). Flash is code and tables of the model. RAM is static. Instructions are the
mean over {N_ROWS} test rows, in QEMU, with what computes doubles and exponentials in
software. Each model passed its self-test, and gave the labels of Python on these rows.

| model | test accuracy | flash, B | RAM, B | instructions, M3 | M4F |
| --- | --- | --- | --- | --- | --- |"""
    )
    for name, model, (X, y), options in models():
        found = measure(model, X, options)
        (flash, ram, *good, slow), (*_, fast) = found.values()
        failed = [board for board, each in found.items() if each[2] or each[3]]
        if failed:
            raise RuntimeError(f"{name}: other answers on {failed}, {good}")
        score = np.mean(compact(model).predict(X) == y)
        print(f"| {name} | {score:.3f} | {flash:,} | {ram} | {slow:,.0f} | {fast:,.0f} |")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
