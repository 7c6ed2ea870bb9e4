"""Numbers that functions of the field's libraries return: names and words.

The negative series begins at -1001; the legacy series is errno and what begins at 201.
Facts: the recorded `error_codes` cases, and the installed crm_error's lists.
"""

from __future__ import annotations

import errno
import os

_NEGATIVE = (
    ("error", "Error"),
    ("unknown_format", "Unknown output format"),
    ("bad_nvpair", "Bad name/value pair given"),
    ("already", "Already in requested state"),
    ("node_unknown", "Node not found"),
    ("multiple", "Resource active on multiple nodes"),
    ("cib_corrupt", "Could not parse on-disk configuration"),
    ("cib_save", "Could not save new configuration to disk"),
    ("cib_backup", "Could not archive previous configuration"),
    ("cib_modified", "On-disk configuration was manually modified"),
    ("diff_resync", "Application of update diff failed, requesting full refresh"),
    ("diff_failed", "Application of update diff failed"),
    ("old_data", "Update was older than existing configuration"),
    ("transform_failed", "Schema transform failed"),
    ("schema_unchanged", "Schema is already the latest available"),
    ("schema_validation", "Update does not conform to the configured schema"),
    ("no_quorum", "Operation requires quorum"),
    ("ipc_unauthorized", "IPC server is blocked by unauthorized process"),
    ("ipc_unresponsive", "IPC server is unresponsive"),
    ("ipc_pid_only", "IPC server process is active but not accepting connections"),
    ("op_unsatisfied", "Not applicable under current conditions"),
    ("undetermined", "Result undetermined"),
    ("before_range", "Result occurs before given range"),
    ("within_range", "Result occurs within given range"),
    ("after_range", "Result occurs after given range"),
    ("no_output", "Output message produced no output"),
    ("no_input", "Input file not available"),
    ("underflow", "Value too small to be stored in data type"),
    ("dot_error", "Error writing dot(1) file"),
    ("graph_error", "Error writing graph file"),
    ("invalid_transition", "Cluster simulation produced invalid transition"),
    ("unpack_error", "Unable to parse CIB XML"),
    ("duplicate_id", "Two or more XML elements have the same ID"),
    ("disabled", "Disabled"),
    ("bad_input", "Bad input value provided"),
    ("bad_xml_patch", "Bad XML patch format"),
    ("no_transaction", "No active transaction found"),
    ("ns_resolution", "Nameserver resolution error"),
    ("compression", "Compression/decompression error"),
    ("no_dc", "DC is not yet elected"),
    ("ipc_more", "More IPC message fragments to send"),
    ("cs_internal", "Internal corosync error"),
    ("digest_mismatch", "Digest does not match expected value"),
)
_LEGACY = {
    201: ("generic", "Error"),
    202: ("no_quorum", "Operation requires quorum"),
    203: ("schema_validation", "Update does not conform to the configured schema"),
    204: ("transform_failed", "Schema transform failed"),
    205: ("old_data", "Update was older than existing configuration"),
    206: ("diff_failed", "Application of update diff failed"),
    207: ("diff_resync", "Application of update diff failed, requesting full refresh"),
    208: ("cib_modified", "On-disk configuration was manually modified"),
    209: ("cib_backup", "Could not archive previous configuration"),
    210: ("cib_save", "Could not save new configuration to disk"),
    211: ("schema_unchanged", "Schema is already the latest available"),
    212: ("cib_corrupt", "Could not parse on-disk configuration"),
    213: ("multiple", "Resource active on multiple nodes"),
    214: ("node_unknown", "Node not found"),
    215: ("already", "Already in requested state"),
    216: ("bad_nvpair", "Bad name/value pair given"),
    217: ("unknown_format", "Unknown output format"),
}


def _system() -> dict[int, tuple[str, str]]:
    return {number: (name, os.strerror(number)) for number, name in errno.errorcode.items()}


def return_codes() -> dict[int, tuple[str, str]]:
    """The negative series, 0 and errno: number -> name and words."""
    negative = {
        -1001 - at: (f"pcmk_rc_{name}", words) for at, (name, words) in enumerate(_NEGATIVE)
    }
    return {**negative, 0: ("pcmk_rc_ok", "OK"), **_system()}


def legacy_codes() -> dict[int, tuple[str, str]]:
    """errno and the 200 series: number -> name and words; negative ones mean the same."""
    positive = {
        **_system(),
        **{number: (f"pcmk_err_{name}", words) for number, (name, words) in _LEGACY.items()},
    }
    return {0: ("pcmk_rc_ok", "OK"), **positive}
