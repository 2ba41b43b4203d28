"""Objects that live in our database alone: one step creates them, one deletes them, each exactly once."""

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, insert

from hostler.jobs.operation import Acceptance, Change, Operation, ParamsT, Prepared, Subject
from hostler.jobs.step import RecordStep, Result, StepContext
from hostler.operations.naming import name_lock, refuse_taken
from hostler.store.database import AnyRow
from hostler.store.queries.nouns import NOUNS


class Row(Struct, frozen=True, kw_only=True):
    """A row as acceptance planned it."""

    noun: str
    id: str
    name: str
    values: dict[str, Any]


def write_row(connection: Connection, at: StepContext[Row], result: Result) -> None:
    connection.execute(insert(NOUNS[at.plan.noun].table).values(**at.plan.values))


def remove_row(connection: Connection, at: StepContext[Row]) -> None:
    table = NOUNS[at.plan.noun].table
    connection.execute(delete(table).where(table.c.id == at.plan.id))


def put_back(connection: Connection, at: StepContext[Row]) -> None:
    connection.execute(insert(NOUNS[at.plan.noun].table).values(**at.plan.values))


def take_away(connection: Connection, at: StepContext[Row], result: Result) -> None:
    remove_row(connection, at)


CREATE = (RecordStep(name="record", title="Record it", record=write_row, unrecord=remove_row),)
DELETE = (RecordStep(name="record", title="Remove it", record=take_away, unrecord=put_back),)


def planned_row(at: Acceptance, noun: str, name: str, **values: Any) -> Prepared[Row]:
    """A new object of this noun, its name checked and locked."""
    refuse_taken(at, noun, name)
    identity = at.new_id()
    values = {"id": identity, "name": name, "created_at": at.now} | values
    return Prepared(
        plan=Row(noun=noun, id=identity, name=name, values=values),
        subject=Subject(kind=noun, id=identity, name=name),
        title=f"Create {NOUNS[noun].title} {name}",
        exclusive=[f"{noun}/{identity}", name_lock(noun, name)],
        changes=[Change(object=f"{noun}/{identity}", property="exists", old=False, new=True)],
    )


class DeleteRow(Operation[ParamsT, Row], abstract=True):
    """Deletes an object that lives in our database alone."""

    Plan = Row
    steps = DELETE

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: ParamsT) -> Prepared[Row]:
        if subject is None:
            raise TypeError("an object is deleted by its id")
        self.refuse_used(at, subject)
        return Prepared(
            plan=Row(noun=self.noun, id=subject.id, name=subject.name, values=dict(subject._mapping)),
            subject=Subject(kind=self.noun, id=subject.id, name=subject.name),
            title=f"Delete {NOUNS[self.noun].title} {subject.name}",
            exclusive=[f"{self.noun}/{subject.id}"],
            changes=[Change(object=f"{self.noun}/{subject.id}", property="exists", old=True, new=False)],
        )

    def refuse_used(self, at: Acceptance, subject: AnyRow) -> None:
        """Raise a ConflictError that names what depends on the object."""
