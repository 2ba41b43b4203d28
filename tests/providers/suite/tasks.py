"""What every provider owes for long work."""

import contextlib
import uuid

import pytest
from msgspec.structs import replace
from tests.providers.conditions import until
from tests.providers.workshop import Workshop

from hostler.domain.machines.facts import FileFacts
from hostler.domain.machines.spec import CloneKind
from hostler.providers.contract import TaskState
from hostler.providers.errors import Refused


class Tasks:
    """Clones and their tasks."""

    @pytest.mark.parametrize("kind", list(CloneKind))
    async def test_a_cloned_disk_is_whole_when_its_task_is_done(self, shop: Workshop, kind: CloneKind) -> None:
        if kind is CloneKind.LINKED and not (await shop.provider.capabilities()).linked_clones:
            pytest.skip("this provider has no linked clones")
        work = shop.clone(kind)
        task = await shop.run(work)
        assert (task.state, task.percent, task.error) == (TaskState.DONE, 100, "")
        made = await shop.provider.read_file(work.target)
        assert made is not None
        assert made.size_bytes > 0

    async def test_a_file_is_whole_whenever_it_is_seen(self, shop: Workshop) -> None:
        work, task_id = shop.clone(), shop.task_id()
        seen: list[FileFacts | None] = []
        await shop.provider.start_task(shop.fence, task_id, work)

        async def ended() -> TaskState | None:
            seen.append(await shop.provider.read_file(work.target))
            task = await shop.provider.read_task(task_id)
            assert task is not None
            return None if task.state is TaskState.RUNNING else task.state

        assert await until(ended, "the clone does not end") is TaskState.DONE
        made = await shop.provider.read_file(work.target)
        assert made is not None
        # The file may have its name a moment before the host records that the task is done.
        assert {facts for facts in seen if facts is not None} <= {made}

    async def test_the_same_id_is_the_same_task(self, shop: Workshop) -> None:
        work, task_id = shop.clone(), shop.task_id()
        for _ in range(2):
            assert (await shop.provider.start_task(shop.fence, task_id, work)).task_id == task_id
        done = await shop.finished(task_id)
        made = await shop.provider.read_file(work.target)
        assert await shop.provider.start_task(shop.fence, task_id, work) == done
        assert await shop.provider.read_task(task_id) == done
        assert await shop.provider.read_file(work.target) == made

    async def test_an_id_is_never_other_work(self, shop: Workshop) -> None:
        task_id, first, second = shop.task_id(), shop.clone(), shop.clone()
        await shop.run(first, task_id)
        with contextlib.suppress(Refused):
            await shop.provider.start_task(shop.fence, task_id, second)
            await shop.finished(task_id)
        assert await shop.provider.read_file(second.target) is None

    async def test_a_task_goes_on_without_those_who_started_it(self, shop: Workshop) -> None:
        work, task_id = shop.clone(), shop.task_id()
        await shop.provider.start_task(shop.fence, task_id, work)
        shop.subject.provider = await shop.subject.reconnect()
        assert (await shop.finished(task_id)).state is TaskState.DONE
        assert await shop.provider.read_file(work.target) is not None

    async def test_a_cancelled_task_leaves_nothing(self, shop: Workshop) -> None:
        work, task_id = shop.clone(), shop.task_id()
        await shop.provider.start_task(shop.fence, task_id, work)
        await shop.provider.cancel_task(shop.fence, task_id)
        await shop.provider.cancel_task(shop.fence, task_id)
        task = await shop.finished(task_id)
        assert task.state in {TaskState.CANCELLED, TaskState.DONE}
        there = await shop.provider.read_file(work.target) is not None
        assert there == (task.state is TaskState.DONE)

    async def test_cancelling_what_is_done_or_unknown_changes_nothing(self, shop: Workshop) -> None:
        work, task_id = shop.clone(), shop.task_id()
        done = await shop.run(work, task_id)
        await shop.provider.cancel_task(shop.fence, task_id)
        await shop.provider.cancel_task(shop.fence, str(uuid.uuid4()))
        assert await shop.provider.read_task(task_id) == done
        assert await shop.provider.read_file(work.target) is not None

    @pytest.mark.parametrize("kind", list(CloneKind))
    async def test_a_clone_of_what_is_not_there_fails_and_makes_nothing(self, shop: Workshop, kind: CloneKind) -> None:
        work = shop.clone(kind, source=shop.path("absent"))
        task = await shop.run(work)
        assert task.state is TaskState.FAILED
        assert task.error
        assert await shop.provider.read_file(work.target) is None

    async def test_a_clone_never_overwrites_a_file(self, shop: Workshop) -> None:
        path = shop.path("seed.iso")
        await shop.provider.write_seed(shop.fence, path, shop.seed())
        before = await shop.provider.read_file(path)
        await shop.run(replace(shop.clone(), target=path))
        assert await shop.provider.read_file(path) == before

    async def test_a_deleted_clone_can_be_made_again(self, shop: Workshop) -> None:
        work = shop.clone()
        for _ in range(2):
            assert (await shop.run(work)).state is TaskState.DONE
            await shop.provider.delete_file(shop.fence, work.target)
