"""Moving prototypes: class means, generalised learning vector quantization, targets."""

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.linear_model import Ridge

from sklearn_prune.models.neighbors.glvq import (
    class_means,
    glvq,
    joint_means,
    refitted_targets,
)
from sklearn_prune.models.neighbors.glvq_kernels import glvq_epoch


def reference_epoch(rows, codes, order, prototypes, labels, steepness, rate, decay):
    """The same pass written from the derivative of the published loss."""
    prototypes = prototypes.astype(np.float64)
    for row in order:
        squared = ((prototypes - rows[row]) ** 2).sum(axis=1)
        own = np.where(labels == codes[row], squared, np.inf).argmin()
        other = np.where(labels != codes[row], squared, np.inf).argmin()
        near, far = squared[own], squared[other]
        value = 1 / (1 + np.exp(-steepness * (near - far) / (near + far)))
        slope = steepness * value * (1 - value) / (near + far) ** 2
        prototypes[own] += min(0.5, rate * slope * far) * (rows[row] - prototypes[own])
        prototypes[other] -= min(0.5, rate * slope * near) * (rows[row] - prototypes[other])
        rate -= decay
    return prototypes


def test_kernel_is_the_reference():
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 4)).astype(np.float32)
    codes = random.integers(0, 3, size=60)
    labels = np.repeat([0, 1, 2], [2, 3, 1])
    start = random.normal(size=(6, 4)).astype(np.float32)
    order = random.permutation(60)
    columns = np.ascontiguousarray(start.T)
    starts = np.array([0, 2, 5, 6])
    glvq_epoch(rows, codes, order, columns, starts, 5.0, 0.1, 0.001)
    expected = reference_epoch(rows, codes, order, start, labels, 5.0, 0.1, 0.001)
    np.testing.assert_allclose(columns.T, expected, rtol=1e-4, atol=1e-4)


def test_glvq_moves_a_misplaced_prototype_to_its_class():
    rows, codes = make_blobs(300, centers=[[0, 0], [4, 0]], random_state=0)
    points = np.array([[1.9, 0.0], [2.1, 0.0]])
    labels = np.array([1, 0])
    moved = glvq(class_means(points, labels, rows, codes), labels, rows, codes, seed=0)
    nearest = ((rows[:, None] - moved) ** 2).sum(axis=2).argmin(axis=1)
    assert np.mean(labels[nearest] == codes) > 0.95
    again = glvq(class_means(points, labels, rows, codes), labels, rows, codes, seed=0)
    np.testing.assert_array_equal(moved, again)


def test_glvq_follows_the_scale_of_the_rows():
    rows, codes = make_blobs(200, centers=3, cluster_std=5.0, random_state=1)
    points, labels = rows[:9] + 0.5, codes[:9]
    moved = glvq(points, labels, rows, codes, seed=0)
    other = glvq(points * 64, labels, rows * 64, codes, seed=0)
    np.testing.assert_allclose(other, moved * 64, rtol=1e-6)
    assert np.abs(moved - points).max() > 0.1


def test_one_class_or_equal_rows_stay():
    points = np.ones((2, 3))
    np.testing.assert_array_equal(
        glvq(points, np.array([0, 1]), np.ones((5, 3)), np.array([0, 0, 1, 1, 1]), seed=0),
        points,
    )
    rows = np.random.default_rng(0).normal(size=(20, 3))
    same = glvq(rows[:2], np.zeros(2, int), rows, np.zeros(20, int), seed=0)
    np.testing.assert_array_equal(same, rows[:2])


def test_class_means_are_means_of_the_rows_of_their_class():
    rows, codes = make_blobs(100, centers=2, random_state=0)
    points = class_means(rows[:2] * 0, np.array([0, 1]), rows, codes)
    expected = [rows[codes == code].mean(axis=0) for code in (0, 1)]
    np.testing.assert_allclose(points, expected)
    alone = class_means(np.array([[7.0, 7.0]]), np.array([2]), rows, codes)
    np.testing.assert_array_equal(alone, [[7.0, 7.0]])


def test_targets_are_the_ridge_around_the_means():
    random = np.random.default_rng(0)
    rows, targets = random.normal(size=(80, 2)), random.normal(size=(80, 1))
    points, means = joint_means(rows[:10], targets[:10], rows, targets)
    found = refitted_targets(points, means, rows, targets, 3, "uniform")
    nearest = np.argsort(((rows[:, None] - points) ** 2).sum(axis=2), axis=1)[:, :3]
    design = np.zeros((80, 10))
    np.put_along_axis(design, nearest, 1 / 3, axis=1)
    ridge = Ridge(alpha=1.0, fit_intercept=False).fit(design, targets - design @ means)
    np.testing.assert_allclose(found[:, 0] - means[:, 0], ridge.coef_.ravel(), atol=1e-4)
