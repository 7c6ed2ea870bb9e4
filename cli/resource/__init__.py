"""The parts of `crm_resource`: one file per kind of command."""
