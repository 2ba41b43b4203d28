"""Virtual machines: our identity of each, where it was seen, and what was seen."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text

from hostler.store.tables.base import Json, id_column, metadata, time_column

vm = Table(
    "vm",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("host_id", String(36)),
    Column("state", String(24), nullable=False),
    Column("observed_state", String(24)),
    Column("job_state", String(24)),
    Column("cpu_count", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("owner", Text, nullable=False, default=""),
    Column("adopted", Boolean, nullable=False, default=False),
    Column("template_id", String(36)),
    Column("folder", Text),
    Column("computer_name", Text),
    Column("conflict", Json),
    Column("facts", Json),
    Column("guest", Json),
    time_column("guest_at"),
    time_column("observed_at"),
    time_column("created_at", nullable=False),
    time_column("deleted_at"),
)
"""`state` is what is shown: `job_state` while a job has the VM or has failed it, else what was observed.
`observed_at` is when the read began from which `observed_state` and `facts` are. `conflict` lists the hosts (ids) that
all have the VM, when more than one has it and no job moves it.
"""
Index("ix_vm_name_id", vm.c.name, vm.c.id, sqlite_where=vm.c.deleted_at.is_(None))
Index("ix_vm_host_id", vm.c.host_id)

presence = Table(
    "presence",
    metadata,
    Column("host_id", String(36), primary_key=True),
    Column("native_id", String(64), primary_key=True),
    Column("vm_id", String(36), nullable=False),
    time_column("seen_at"),
    Column("in_last_pass", Boolean, nullable=False, default=False),
)
"""Where a VM is: on which host and under which identity of its hypervisor. A tombstone keeps its rows.

`seen_at` is null until first seen. While `in_last_pass`, the VM was also seen by the host's last pass: then the `vms`
row of `freshness` says when, so that an unchanged pass writes that one row.
"""
Index("ix_presence_vm_id", presence.c.vm_id)
Index("ix_presence_native_id", presence.c.native_id)

vm_mac = Table(
    "vm_mac",
    metadata,
    Column("mac", String(17), primary_key=True),
    Column("vm_id", String(36), nullable=False),
)
"""MAC addresses that we gave out, so that none is given twice."""
Index("ix_vm_mac_vm_id", vm_mac.c.vm_id)
