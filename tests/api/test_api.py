"""The public Python API, as a notebook uses it."""

from __future__ import annotations

import inspect
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lossctl
from lossctl.errors import DataError, FileError, LossctlError, LossctlWarning, UsageError
from lossctl.losses.core.registry import registry
from tests.support.command_line import SAMPLE_DATA, run
from tests.support.small_arrays import LABELS, LOGITS, PREDICTED, RANDOM, TRUE, cross_entropies


class TestNames:
    @pytest.mark.parametrize(
        ("key", "names"),
        [
            (
                "ce",
                "ce CE cross_entropy cross-entropy Cross_Entropy CrossEntropyLoss crossentropy "
                "nn.CrossEntropyLoss torch.nn.CrossEntropyLoss F.cross_entropy f.cross_entropy "
                "nn.functional.cross_entropy torch.nn.functional.cross_entropy",
            ),
            ("l1", "l1 mae L1Loss nn.L1Loss l1_loss F.l1_loss torch.nn.functional.l1_loss"),
            ("mse", "mse MSELoss mse_loss F.mse_loss mean_squared_error"),
            ("smooth_l1", "smooth_l1 SmoothL1Loss smooth-l1 F.smooth_l1_loss"),
            ("huber", "huber HuberLoss F.huber_loss"),
            ("bce", "bce BCELoss binary_cross_entropy F.binary_cross_entropy"),
            (
                "bce_with_logits",
                "bce_logits BCEWithLogitsLoss binary_cross_entropy_with_logits bce-with-logits",
            ),
            ("nll", "nll NLLLoss F.nll_loss"),
            ("linear_ce", "linear_ce linear_cross_entropy F.linear_cross_entropy"),
            ("poisson_nll", "PoissonNLLLoss poisson_nll_loss"),
            ("gaussian_nll", "GaussianNLLLoss gaussian_nll_loss"),
            ("kl_div", "KLDivLoss F.kl_div kl-div"),
            ("margin_ranking", "MarginRankingLoss margin_ranking_loss"),
            ("hinge_embedding", "HingeEmbeddingLoss hinge_embedding_loss"),
            ("soft_margin", "SoftMarginLoss soft_margin_loss"),
            ("multi_margin", "MultiMarginLoss multi_margin_loss"),
            ("multilabel_margin", "MultiLabelMarginLoss multilabel_margin_loss"),
            ("multilabel_soft_margin", "MultiLabelSoftMarginLoss multilabel_soft_margin_loss"),
            ("cosine_embedding", "CosineEmbeddingLoss cosine_embedding_loss"),
            ("triplet_margin", "TripletMarginLoss triplet_margin_loss"),
            (
                "triplet_margin_with_distance",
                "TripletMarginWithDistanceLoss F.triplet_margin_with_distance_loss",
            ),
            ("ctc", "ctc CTCLoss ctc_loss F.ctc_loss torch.nn.CTCLoss"),
        ],
    )
    def test_every_form(self, key: str, names: str) -> None:
        for name in names.split():
            assert lossctl.describe(name)["key"] == key, name

    def test_unknown_names_get_the_nearest(self) -> None:
        with pytest.raises(UsageError, match=r"'hubber'\nDid you mean .*huber"):
            lossctl.compute("hubber", PREDICTED, TRUE)
        with pytest.raises(AttributeError, match="hubber"):
            _ = lossctl.losses.hubber

    def test_every_loss_is_a_callable(self) -> None:
        for key, loss in registry().items():
            assert getattr(lossctl.losses, key) is loss
            assert key in dir(lossctl.losses)
            assert loss.__doc__
            assert list(inspect.signature(loss).parameters)[: len(loss.inputs)] == [
                one.name for one in loss.inputs
            ]

    def test_the_module_lists_what_it_has(self) -> None:
        for name in lossctl.__all__:
            assert getattr(lossctl, name) is not None
        with pytest.raises(AttributeError, match="computee"):
            _ = lossctl.computee


class TestInputs:
    def test_arrays_lists_frames_and_paths_agree(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        np.save("x.npy", LOGITS)
        np.save("y.npy", LABELS)
        frame = pd.DataFrame(LOGITS, columns=list("abcd")).assign(label=LABELS)
        frame.to_csv("table.csv", index=False)
        frame.to_parquet("table.parquet")
        table = pa.table({"x": LOGITS.tolist(), "y": LABELS})
        pq.write_table(table, "lists.parquet")
        np.savez("both.npz", x=LOGITS, y=LABELS)
        pairs: list[tuple[Any, Any]] = [
            (LOGITS, LABELS),
            (LOGITS.tolist(), LABELS.tolist()),
            (np.asfortranarray(LOGITS), LABELS.astype(np.uint8)),
            (frame[list("abcd")], frame["label"]),
            (frame[list("abcd")], frame[["label"]]),
            (table["x"], table["y"]),
            ("x.npy", "y.npy"),
            (Path("x.npy"), tmp_path / "y.npy"),
            ("x.npy", LABELS),
            ("table.csv#a:d", "table.csv#label"),
            ("table.parquet#a,b,c,d", "table.parquet#label"),
            ("lists.parquet#x", "lists.parquet#y"),
            ("both.npz#x", "both.npz#y"),
        ]
        expected = lossctl.compute("ce", LOGITS, LABELS).value
        assert expected == pytest.approx(cross_entropies().mean(), rel=1e-14)
        for pair in pairs:
            assert lossctl.compute("ce", *pair).value == expected, pair

    def test_by_keyword_in_any_order(self) -> None:
        expected = lossctl.compute("ce", LOGITS, LABELS, ignore_index=1).value
        assert lossctl.compute("ce", target=LABELS, input=LOGITS, ignore_index=1).value == expected
        assert lossctl.compute("ce", LOGITS, target=LABELS, ignore_index=1).value == expected
        assert lossctl.losses.ce(input=LOGITS, target=LABELS, ignore_index=1).value == expected

    def test_missing_and_superfluous_inputs(self) -> None:
        with pytest.raises(UsageError, match=r"ce takes 2 inputs \(input, target\); missing: targ"):
            lossctl.compute("ce", LOGITS)
        with pytest.raises(UsageError, match=r"missing: input, target\nDid you mean inputs"):
            lossctl.compute("ce", inputs=LOGITS)
        with pytest.raises(UsageError, match=r"takes 2 inputs .* but got 3"):
            lossctl.compute("ce", LOGITS, LABELS, LABELS)
        with pytest.raises(UsageError, match=r"'target'|input"):
            lossctl.compute("ce", LOGITS, LABELS, target=LABELS)

    def test_linear_ce_in_our_order_and_in_torch_s(self) -> None:
        features, weight = RANDOM.normal(size=(6, 3)), RANDOM.normal(size=(4, 3))
        expected = cross_entropies(features @ weight.T).mean()
        for inputs in ((features, LABELS, weight), (features, weight, LABELS)):
            assert lossctl.losses.linear_ce(*inputs).value == pytest.approx(expected, rel=1e-13)
        named = lossctl.losses.linear_ce(linear_weight=weight, target=LABELS, input=features)
        assert named.value == pytest.approx(expected, rel=1e-13)

    def test_the_caller_s_arrays_are_left_alone(self) -> None:
        inputs = LOGITS.copy(), LABELS.copy()
        weight = np.ones(4)
        for key in ("ce", "nll", "multi_margin"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LossctlWarning)
                lossctl.compute(key, *inputs, reduction="none", weight=weight)
        pair = PREDICTED.copy(), TRUE.copy()
        for key in ("l1", "mse", "huber", "smooth_l1", "poisson_nll"):
            lossctl.compute(key, *pair)
        assert np.array_equal(inputs[0], LOGITS)
        assert np.array_equal(inputs[1], LABELS)
        assert np.array_equal(pair, [PREDICTED, TRUE])
        for array in (*inputs, *pair):
            array.flags.writeable = False
        lossctl.compute("ce", *inputs)
        lossctl.compute("mse", *pair)

    def test_result_arrays_are_the_caller_s_own(self) -> None:
        values = np.array([1.0, 2.0])
        result = lossctl.compute("hinge_embedding", values, [1, 1], reduction="none")
        assert result.elements is not None
        result.elements[:] = 0
        assert values.tolist() == [1.0, 2.0]

    @pytest.mark.parametrize("given", [None, {"a": 1}, b"abc", object()])
    def test_what_is_no_array(self, given: Any) -> None:
        with pytest.raises(LossctlError):
            lossctl.compute("mse", given, [1.0])

    def test_ragged_lists(self) -> None:
        with pytest.raises(DataError, match="different lengths"):
            lossctl.compute("mse", [[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0, 4.0]])

    def test_messages_name_the_input(self) -> None:
        with pytest.raises(DataError, match=r"target: 1 .* is 9 at row 2 of target"):
            lossctl.compute("ce", LOGITS, [0, 1, 9, 0, 0, 0])
        with pytest.raises(FileError, match=r"nowhere\.npy"):
            lossctl.compute("ce", "nowhere.npy", LABELS)
        with pytest.raises(DataError, match=r"\(6, 1\).*\(6,\)") as caught:
            lossctl.compute("mse", PREDICTED[:, np.newaxis], TRUE)
        assert "squeeze" in caught.value.remedy


class TestOptions:
    def test_unknown_options_get_the_nearest(self) -> None:
        with pytest.raises(UsageError, match=r"'smoothing'\nDid you mean label_smoothing"):
            lossctl.compute("ce", LOGITS, LABELS, smoothing=0.1)
        with pytest.raises(UsageError, match="mse has no option 'delta'"):
            lossctl.compute("mse", PREDICTED, TRUE, delta=1.0)

    @pytest.mark.parametrize("name", ["size_average", "reduce"])
    def test_the_old_reductions(self, name: str) -> None:
        with pytest.raises(UsageError, match=rf"(?s){name}.*deprecated.*reduction='mean'"):
            lossctl.compute("mse", PREDICTED, TRUE, **{name: False})

    def test_types_and_bounds(self) -> None:
        for key, options, message in (
            ("huber", {"delta": 0}, "delta of huber must be above 0"),
            ("huber", {"delta": "big"}, "delta of huber must be a number"),
            ("huber", {"delta": None}, "delta of huber must be a number"),
            ("poisson_nll", {"full": 1}, "full of poisson_nll must be true or false"),
        ):
            with pytest.raises(UsageError, match=message):
                lossctl.compute(key, PREDICTED, TRUE, **options)
        for given in (1.5, "x"):
            with pytest.raises(UsageError, match="ignore_index of ce must be an integer"):
                lossctl.compute("ce", LOGITS, LABELS, ignore_index=given)

    def test_tensor_options_in_every_form(self, tmp_path: Path) -> None:
        weight = np.array([1.0, 2.0, 0.5, 3.0])
        np.save(tmp_path / "w.npy", weight)
        expected = lossctl.compute("ce", LOGITS, LABELS, weight=weight).value
        for form in (weight.tolist(), tuple(weight), "1,2,0.5,3", tmp_path / "w.npy"):
            assert lossctl.compute("ce", LOGITS, LABELS, weight=form).value == expected

    def test_numpy_scalars_are_numbers(self) -> None:
        plain = lossctl.losses.huber(PREDICTED, TRUE, delta=0.5).value
        assert lossctl.losses.huber(PREDICTED, TRUE, delta=np.float32(0.5)).value == plain
        assert lossctl.compute("ce", LOGITS, LABELS, ignore_index=np.int64(1)).ignored == 2


class TestResult:
    def test_fields(self) -> None:
        result = lossctl.compute("ce", LOGITS, LABELS, ignore_index=1, label_smoothing=0.1)
        assert isinstance(result, lossctl.Result)
        assert result.loss == "ce"
        assert result.name == "ce(ignore_index=1, label_smoothing=0.1)"
        assert result.options == {"ignore_index": 1, "label_smoothing": 0.1}
        assert result.reduction == "mean"
        assert result.elements is None
        assert (result.counted, result.ignored, result.masked, result.omitted) == (4, 2, 0, 0)
        assert (result.clamped, result.samples, result.shape) == (0, 6, (6,))
        assert (result.denominator, result.denominator_name) == (4.0, "elements kept")
        assert result.value == result.total / result.denominator == float(result)
        assert result.dtype == "float64"
        assert result.inputs == (("input", "input", (6, 4)), ("target", "target", (6,)))
        assert result.warnings == ()
        assert np.asarray(result) == result.value
        assert type(result.value) is float
        assert type(result.counted) is int

    def test_elements(self) -> None:
        result = lossctl.compute("ce", LOGITS, LABELS, reduction="none", ignore_index=3)
        assert result.value is None
        assert result.elements is not None
        expected = np.where(LABELS == 3, 0, cross_entropies())
        np.testing.assert_allclose(result.elements, expected, rtol=1e-14)
        assert np.array_equal(np.asarray(result), result.elements)
        with pytest.raises(TypeError, match="elements"):
            float(result)

    def test_one_sample_without_a_batch(self) -> None:
        one = lossctl.compute("ce", LOGITS[0], 3, reduction="none")
        assert one.elements is not None
        assert one.elements.shape == ()
        assert one.shape == ()
        assert lossctl.compute("mse", 3.0, 1.0).value == 4.0
        assert lossctl.compute("triplet_margin", *np.eye(3), reduction="none").shape == ()

    def test_inputs_name_their_files(self) -> None:
        result = lossctl.compute("ce", SAMPLE_DATA / "preds.npy", SAMPLE_DATA / "labels.npy")
        assert result.inputs[0] == ("input", str(SAMPLE_DATA / "preds.npy"), (899, 10))

    def test_warnings_are_given_and_kept(self) -> None:
        with pytest.warns(LossctlWarning, match="positive") as caught:
            result = lossctl.compute("nll", LOGITS, LABELS)
        assert [str(one.message) for one in caught] == list(result.warnings)
        assert len(caught) == 1

    def test_a_warning_points_at_the_caller(self) -> None:
        with pytest.warns(LossctlWarning) as caught:
            lossctl.compute("nll", LOGITS, LABELS)
        assert caught[0].filename == __file__

    def test_is_pickled(self) -> None:
        result = lossctl.compute("ce", LOGITS, LABELS, weight=[1.0, 2.0, 0.5, 3.0])
        assert pickle.loads(pickle.dumps(result)).value == result.value  # noqa: S301


class TestElements:
    def test_streams_what_compute_returns(self) -> None:
        big, other = RANDOM.normal(size=(2, 600_000))
        stream = lossctl.elements("l1", big, other)
        assert stream.shape == (600_000,)
        assert stream.dtype == np.float64
        blocks = list(stream)
        assert len(blocks) > 2
        whole = lossctl.compute("l1", big, other, reduction="none")
        assert np.array_equal(np.concatenate(blocks), whole.elements)
        result = stream.result()
        assert (result.counted, result.total) == (600_000, whole.total)

    def test_takes_the_options(self) -> None:
        stream = lossctl.elements("ce", LOGITS, target=LABELS, ignore_index=1, mask=[1] * 5 + [0])
        (block,) = list(stream)
        kept = (LABELS != 1) & (np.arange(6) < 5)
        np.testing.assert_allclose(block, np.where(kept, cross_entropies(), 0), rtol=1e-14)
        assert (stream.result().ignored, stream.result().masked) == (2, 1)

    def test_raises_at_the_end_of_a_bad_file(self) -> None:
        labels = np.zeros(300_000, int)
        labels[-1] = 5
        stream = iter(lossctl.elements("ce", np.zeros((300_000, 2)), labels))
        assert len(next(stream)) > 0
        with pytest.raises(DataError, match="row 299999"):
            list(stream)

    def test_bad_shapes_raise_at_once(self) -> None:
        with pytest.raises(DataError, match=r"samples|shapes"):
            lossctl.elements("l1", PREDICTED, TRUE[:3])


class TestDescribe:
    def test_says_what_the_declaration_says(self) -> None:
        described = lossctl.describe("huber")
        assert described["key"] == "huber"
        assert described["family"] == "regression"
        assert [one["name"] for one in described["inputs"]] == ["input", "target"]
        (delta,) = described["options"]
        assert (delta["name"], delta["flag"], delta["default"], delta["above"]) == (
            "delta", "--delta", 1.0, 0,
        )  # fmt: skip
        assert described["source"].startswith("Huber 1964")

    def test_all_and_by_family(self) -> None:
        every = lossctl.describe_all()
        assert [one["key"] for one in every] == list(registry())
        margin = lossctl.describe_all("margin")
        assert {one["family"] for one in margin} == {"margin"}
        with pytest.raises(UsageError, match="Did you mean margin"):
            lossctl.describe_all("margn")

    def test_a_description_cannot_change_the_declaration(self) -> None:
        lossctl.describe("ce")["aliases"].append("nonsense")
        assert "nonsense" not in lossctl.describe("ce")["aliases"]


def test_a_shell_and_a_notebook_get_the_same_answer() -> None:
    for loss in registry().values():
        words = loss.example.split()
        done = run("compute", loss.key, *words, "-f", "value", cwd=SAMPLE_DATA)
        assert done.code == 0, (loss.key, done.err)
        files, options = words[: len(loss.inputs)], words[len(loss.inputs) :]
        if not options:
            inputs = [str(SAMPLE_DATA / name) for name in files]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LossctlWarning)
                assert lossctl.compute(loss, *inputs).value == done.value
