"""A step counts only when it was observed."""

import pytest

from server.timeline import Timeline, UnobservedError, ensure, until


async def test_a_step_that_is_not_observed_ends_its_journey_and_is_counted() -> None:
    timeline = Timeline(quiet=True)
    async with timeline.step("A.first"):
        pass

    with pytest.raises(UnobservedError):
        async with timeline.step("A.second"):
            ensure(condition=False, what="no event came")

    assert not timeline.complete
    assert timeline.steps[1].missed == "no event came"
    figures = {figure.name: figure for figure in timeline.figures()}
    assert figures["steps.not_observed"].value == 1
    assert figures["steps.not_observed"].met is False


async def test_an_answer_of_another_shape_is_a_missed_step() -> None:
    timeline = Timeline(quiet=True)

    with pytest.raises(UnobservedError):
        async with timeline.step("A.first"):
            raise KeyError("id")

    assert not timeline.complete


async def test_a_programming_error_is_not_swallowed() -> None:
    timeline = Timeline(quiet=True)

    with pytest.raises(ZeroDivisionError):
        async with timeline.step("A.first"):
            _ = 1 // 0


async def test_waiting_gives_what_it_waited_for_or_says_what_did_not_come() -> None:
    looks = iter([None, None, 7])

    async def look() -> int | None:
        return next(looks, None)

    assert await until(look, "seven") == 7
    with pytest.raises(UnobservedError, match="eight did not come"):
        await until(look, "eight", timeout_s=0.1)


async def test_each_step_is_told_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    timeline = Timeline(quiet=False)
    async with timeline.step("A.first") as step:
        step.saw = "one thing"

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "A.first" in out
    assert "one thing" in out
