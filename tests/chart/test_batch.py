"""The Job that scores files, and the values that it is made of."""

from typing import Any

import pytest

from tests.chart.helm import Objects, Render, named, template

JOB = ("kserve.enabled=false", "batch.enabled=true", "batch.shards=6")
STORE = (*JOB, "batch.input=s3://plant/2026/*.parquet", "batch.output=s3://plant/scores.parquet")
MOUNTED = (
    *JOB,
    "batch.input=/mnt/meters/a.csv",
    "batch.output=/mnt/meters/b.csv",
    "batch.volumes[0].name=meters",
    "batch.volumes[0].persistentVolumeClaim.claimName=meters",
    "batch.volumeMounts[0].name=meters",
    "batch.volumeMounts[0].mountPath=/mnt/meters",
)


def pod_of(objects: Objects) -> dict[str, Any]:
    spec: dict[str, Any] = objects["Job"]["spec"]["template"]["spec"]
    return spec


def container_of(objects: Objects) -> dict[str, Any]:
    [container] = pod_of(objects)["containers"]
    return dict(container)


def name_of(render: Render, *sets: str) -> str:
    name: str = render(*STORE, *sets)["Job"]["metadata"]["name"]
    return name


def test_there_is_no_job_unless_it_is_asked_for(render: Render) -> None:
    assert "Job" not in render()


def test_each_shard_is_an_index_that_is_scored_by_the_bundle_of_the_image(render: Render) -> None:
    objects = render(*STORE, "batch.options={--strict}")
    spec = objects["Job"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 6, 6)
    assert container_of(objects)["args"] == [
        "score",
        "s3://plant/2026/*.parquet",
        "s3://plant/scores.parquet",
        "--bundle=/bundle",
        "--shards=6",
        "--strict",
    ]


def test_fewer_pods_at_once_than_shards_are_asked_for(render: Render) -> None:
    spec = render(*STORE, "batch.parallelism=2")["Job"]["spec"]
    assert (spec["completions"], spec["parallelism"]) == (6, 2)


def test_a_shard_is_tried_again_but_a_drained_node_counts_as_no_failure(render: Render) -> None:
    spec = render(*STORE, "batch.backoffLimitPerIndex=5", "batch.maxFailedIndexes=2")["Job"]["spec"]
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (5, 2)
    [rule] = spec["podFailurePolicy"]["rules"]
    assert rule["action"] == "Ignore"
    assert rule["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    # Without it Kubernetes takes no such policy.
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_a_job_that_has_ended_stays_unless_a_time_is_named(render: Render) -> None:
    assert "ttlSecondsAfterFinished" not in render(*STORE)["Job"]["spec"]
    kept = render(*STORE, "batch.ttlSecondsAfterFinished=3600")["Job"]["spec"]
    assert kept["ttlSecondsAfterFinished"] == 3600


def test_its_pods_run_as_the_servers_do(render: Render) -> None:
    sets = (
        "nodeSelector.disk=ssd",
        "tolerations[0].operator=Exists",
        "affinity.nodeAffinity.note=ours",
        "image.pullSecrets[0]=registry",
        "image.pullPolicy=Always",
        "podSecurityContext.fsGroup=10001",
        "podLabels.team=power",
        "podAnnotations.note=ours",
    )
    objects = render(*STORE, *sets)
    ours, theirs = pod_of(objects), objects["Deployment"]["spec"]["template"]["spec"]
    same = {
        "affinity",
        "automountServiceAccountToken",
        "imagePullSecrets",
        "nodeSelector",
        "securityContext",
        "serviceAccountName",
        "tolerations",
    }
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    [container], [server] = ours["containers"], theirs["containers"]
    for key in ("imagePullPolicy", "securityContext"):
        assert container[key] == server[key]
    metadata = objects["Job"]["spec"]["template"]["metadata"]
    assert metadata["labels"]["team"] == "power"
    assert metadata["annotations"] == {"note": "ours"}


def test_no_service_budget_or_monitor_takes_its_pods_for_servers(render: Render) -> None:
    objects = render(*STORE, "podMonitor.enabled=true")
    labels = objects["Job"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        objects["Service"]["spec"]["selector"],
        *(
            objects[kind]["spec"]["selector"]["matchLabels"]
            for kind in ("Deployment", "PodDisruptionBudget", "PodMonitor")
        ),
    ]
    for selector in selectors:
        assert not selector.items() <= labels.items()


def test_files_are_in_the_volumes_that_are_named(render: Render) -> None:
    objects = render(*MOUNTED)
    [scratch, mount] = container_of(objects)["volumeMounts"]
    assert mount == {"name": "meters", "mountPath": "/mnt/meters"}
    claim = {"name": "meters", "persistentVolumeClaim": {"claimName": "meters"}}
    assert pod_of(objects)["volumes"] == [{"name": scratch["name"], "emptyDir": {}}, claim]


def test_a_temporary_file_can_be_written_though_the_root_is_read_only(render: Render) -> None:
    container = container_of(render(*STORE))
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    [scratch] = container["volumeMounts"]
    assert scratch["mountPath"] == "/tmp"  # noqa: S108 - the pod's, where Python writes


def test_a_bundle_is_read_from_where_the_servers_read_it(render: Render) -> None:
    claim = ("bundle.source=persistentVolumeClaim", "bundle.name=models", "bundle.path=best")
    objects = render(*MOUNTED, *claim)
    [server] = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    [mount] = server["volumeMounts"]
    container = container_of(objects)
    assert "--bundle=/mnt/bundle/best" in container["args"]
    assert mount in container["volumeMounts"]
    volumes = [volume["name"] for volume in pod_of(objects)["volumes"]]
    assert volumes == ["scratch", "bundle", "meters"]


def test_an_object_stores_credentials_are_files_of_a_secret_that_the_environment_names(
    render: Render,
) -> None:
    objects = render(
        *STORE,
        "batch.env[0].name=AWS_SHARED_CREDENTIALS_FILE",
        "batch.env[0].value=/etc/plant/credentials",
        "batch.volumes[0].name=bucket",
        "batch.volumes[0].secret.secretName=bucket",
        "batch.volumeMounts[0].name=bucket",
        "batch.volumeMounts[0].mountPath=/etc/plant",
    )
    container = container_of(objects)
    [variable] = container["env"]
    assert variable == {"name": "AWS_SHARED_CREDENTIALS_FILE", "value": "/etc/plant/credentials"}
    assert {"name": "bucket", "mountPath": "/etc/plant"} in container["volumeMounts"]
    assert {"name": "bucket", "secret": {"secretName": "bucket"}} in pod_of(objects)["volumes"]


@pytest.mark.parametrize(
    ("sets", "image"),
    [
        ((), "energy-predictor-batch:0.1.0"),
        (("image.tag=v7",), "energy-predictor-batch:v7"),
        (("image.tag=v7", "batch.image.tag=v8"), "energy-predictor-batch:v8"),
        (
            ("batch.image.repository=r.example/b", f"batch.image.digest=sha256:{'1' * 64}"),
            f"r.example/b@sha256:{'1' * 64}",
        ),
    ],
)
def test_the_image_is_the_releases_unless_another_is_named(
    render: Render, sets: tuple[str, ...], image: str
) -> None:
    assert container_of(render(*STORE, *sets))["image"] == image


@pytest.mark.parametrize(
    "change",
    [
        "batch.input=s3://plant/2027/*.parquet",
        "batch.shards=7",
        "batch.backoffLimitPerIndex=1",
        "batch.resources.limits.memory=3Gi",
        "image.tag=v7",
        "labels.team=power",
    ],
)
def test_what_may_not_be_changed_in_a_job_makes_another(render: Render, change: str) -> None:
    assert name_of(render, change) != name_of(render)


@pytest.mark.parametrize(
    "change",
    [
        "batch.parallelism=2",
        "batch.ttlSecondsAfterFinished=60",
        "logLevel=DEBUG",
        "resources.limits.cpu=1",
    ],
)
def test_what_may_be_changed_or_is_the_servers_leaves_the_job_as_it_is(
    render: Render, change: str
) -> None:
    assert name_of(render, change) == name_of(render)


def test_a_network_policy_lets_nobody_in_and_the_pods_out_where_it_says() -> None:
    network = ("networkPolicy.enabled=true", "networkPolicy.egress[0].ports[0].port=443")
    policies = named(template(*STORE, *network).stdout, "NetworkPolicy")
    servers, batch = policies["energy"]["spec"], policies["energy-batch"]["spec"]
    assert batch["podSelector"]["matchLabels"]["component"] == "batch"
    assert batch["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in batch
    assert batch["egress"] == servers["egress"]


def test_a_name_that_would_be_too_long_for_a_pod_is_refused() -> None:
    assert template(*STORE, release="a" * 46).returncode == 0
    refused = template(*STORE, release="a" * 47)
    assert refused.returncode != 0
    assert "has 47 characters, but with batch.enabled it may have 46" in refused.stderr
