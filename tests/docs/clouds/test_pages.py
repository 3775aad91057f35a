"""What the pages on clouds say of figures and limits, against where those come from."""

import re

from benchmarks import costs
from tests import deployer
from tests.docs.clouds.files import CLOUDS, at, read
from tests.paths import ROOT


def test_every_file_for_a_cloud_is_named_on_a_page() -> None:
    text = "".join(page.read_text() for page in CLOUDS.glob("*.md"))
    files = {file.name for file in CLOUDS.iterdir() if file.suffix in {".yaml", ".json"}}
    assert {name for name in files if name not in text} == set()


def test_the_most_that_cloud_run_can_cost_is_computed_of_its_file() -> None:
    annotations = at(read("cloud-run.yaml"), "spec.template.metadata")["annotations"]
    most = int(annotations["autoscaling.knative.dev/maxScale"])
    prices, (vcpus, gib) = costs.read().cloud_run, costs.CLOUD_RUN
    dollars = most * costs.SECONDS * (vcpus * prices.vcpu_second + gib * prices.gib_second)
    assert f"= ${dollars:.2f} at the most" in (CLOUDS / "README.md").read_text()


def test_dollars_that_the_text_repeats_are_those_of_the_table() -> None:
    sums = {f"{bill.dollars:.2f}" for bill in costs.bills(costs.read())}
    sums |= {f"{bill.whole_dollars:.2f}" for bill in costs.bills(costs.read())}
    text = (CLOUDS / "README.md").read_text().partition("## Under ten dollars")[2]
    repeated = set(re.findall(r"(?:is|be) \$(\d+\.\d\d)", text))
    assert len(repeated) > 1
    assert repeated <= sums


def test_ci_is_told_where_helm_may_remember() -> None:
    """The account may not keep Secrets, which is helm's default."""
    page = (ROOT / "docs" / "how-to" / "deploy-from-ci.md").read_text()
    assert "HELM_DRIVER=configmap predictor deploy" in page
    assert {"create", "update", "list", "delete"} <= deployer.allowed()["", "configmaps"]
