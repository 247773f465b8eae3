"""Snakemake's linter finds nothing. Here, as its verdict is an exit status, which is easily lost in a pipe."""

from tests.support.workplaces import Workplace


def test_linter_of_snakemake_finds_nothing(workplace: Workplace):
    assert "Congratulations" in workplace.run("--lint")
