"""JSON schemas for kubeconform, which would fetch them, by which an unknown field is an error.

Those of Kubernetes come with the Python package kubernetes-validate; those of other resource types
are made from the CustomResourceDefinitions in the Go modules of their projects.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

DEFINITIONS = {
    "github.com/kserve/kserve@v0.20.0": [
        "config/crd/full/serving.kserve.io_inferenceservices.yaml",
    ],
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": [
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ],
    "github.com/kedacore/keda/v2@v2.18.0": ["config/crd/bases/keda.sh_scaledobjects.yaml"],
    "sigs.k8s.io/gateway-api@v1.5.1": [
        "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ],
}
# How kubeconform finds what is written here; a group stands there up to its first dot.
LOCATION = "{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json"


def write_schemas(folder: Path, version: str) -> None:
    """Write the schemas of a Kubernetes, and those of the other resource types beside them."""
    into = folder / f"v{version}"
    into.mkdir()
    for file in _kubernetes_schemas(version).iterdir():
        schema = json.loads(file.read_text())
        # By its name each is a page of kubernetes.io, and would be fetched from there.
        schema.pop("$id", None)
        text = json.dumps(schema).replace('"/api/_definitions.json#', '"_definitions.json#')
        (into / file.name).write_text(text)
    for module, paths in DEFINITIONS.items():
        root = module_folder(module)
        for path in paths:
            _write_definition(into, root / path)


def strict(schema: Schema) -> Schema:
    """Return a schema by which what the API server would drop is an error."""
    closed = dict(schema)
    if properties := schema.get("properties"):
        closed["properties"] = {name: strict(below) for name, below in properties.items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            closed[key] = strict(schema[key])
    return closed


def module_folder(module: str) -> Path:
    """Return where Go keeps a module, which it fetches if need be."""
    result = subprocess.run(
        ["go", "mod", "download", "-json", module], capture_output=True, text=True, check=False
    )
    answer = json.loads(result.stdout)
    assert result.returncode == 0, answer["Error"]
    return Path(answer["Dir"])


def _kubernetes_schemas(version: str) -> Path:
    """Return the folder of schemas in the environment that kubernetes-validate is installed in."""
    program = Path(str(shutil.which("kubernetes-validate")))
    [found] = program.parents[1].glob(
        f"lib/*/site-packages/kubernetes_validate/kubernetes-json-schema/v{version}-local-strict"
    )
    return found


def _write_definition(into: Path, path: Path) -> None:
    spec = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]
    group, kind = spec["group"].split(".")[0], spec["names"]["kind"].lower()
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        (into / f"{kind}-{group}-{version['name']}.json").write_text(json.dumps(schema))
