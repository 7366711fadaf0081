"""Digests by the package sev-snp-measure: a case a line in, as JSON; a digest or an error out."""

import json
import sys

from sevsnpmeasure import guest, vcpu_types
from sevsnpmeasure.sev_mode import SevMode
from sevsnpmeasure.vmm_types import VMMType


def digest(case):
    if case["mode"] == "snp:ovmf-hash":
        return guest.calc_snp_ovmf_hash(case["ovmf"])
    if "vcpu_type" in case:
        signature = vcpu_types.CPU_SIGS[case["vcpu_type"]]
    elif "vcpu_family" in case:
        signature = vcpu_types.cpu_sig(case["vcpu_family"], case["vcpu_model"], case["vcpu_stepping"])
    else:
        signature = case["vcpu_sig"]
    return guest.calc_launch_digest(
        SevMode.from_str(case["mode"]),
        case["vcpus"],
        signature,
        case["ovmf"],
        case.get("kernel"),
        case.get("initrd"),
        case.get("append"),
        case["guest_features"],
        case.get("snp_ovmf_hash", ""),
        VMMType[case["vmm_type"]],
        svsm_file=case.get("svsm", ""),
        ovmf_vars_size=case.get("vars_size", 0),
    )


for line in sys.stdin:
    try:
        answer = {"digest": digest(json.loads(line)).hex()}
    # The package raises exceptions of many kinds: each is its answer to the case.
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer))
