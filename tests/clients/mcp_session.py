"""The MCP SDK for Python as a user's agent: it plans, previews, submits, follows and reads a job.

Usage: mcp_session.py KUBEFLOW_MCP_BINARY. Runs once in each protocol era, on a throw-away local cluster.
"""

import asyncio
import pathlib
import subprocess
import sys
import tempfile

from mcp import Client, StdioServerParameters

SCRIPT = """import os
print("rank", os.environ.get("JOB_COMPLETION_INDEX", "?"), "says $HOME is `not` expanded, 'quotes' \\"stay\\"")
print("accuracy=0.75")
"""


async def session(binary: str, folder: str, mode: str, job: str) -> None:
    server = StdioServerParameters(
        command=binary, args=["serve", "--local"], env={"KUBEFLOW_MCP_LOCAL_DIR": folder}
    )
    async with Client(server, mode=mode) as client:
        print(f"mode {mode}: protocol {client.protocol_version}")
        assert client.server_info.name == "kubeflow-mcp", client.server_info

        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"health_check", "run_custom_training", "get_training_logs"} <= tools.keys(), sorted(tools)
        assert tools["run_custom_training"].annotations.read_only_hint is False

        async def call(name: str, arguments: dict, **more) -> dict:
            result = await client.call_tool(name, arguments, **more)
            assert not result.is_error, f"{name}: {result.content}"
            assert result.content and result.structured_content is not None, f"{name}: {result}"
            return result.structured_content

        arguments = {"script": SCRIPT, "name": job}
        preview = await call("run_custom_training", arguments)
        assert preview["preview"] is True, preview
        listed = await call("list_training_jobs", {})
        assert job not in str(listed), f"a preview made something: {listed}"

        for created in (True, False):
            made = await call("run_custom_training", {**arguments, "confirmed": True})
            assert made["preview"] is False and made["created"] is created, made

        heard = []

        async def hear(done: float, total: float | None, message: str | None) -> None:
            heard.append(message)

        waited = await call("wait_for_training", {"name": job, "timeout_seconds": 120}, progress_callback=hear)
        assert waited["phase"] == "Succeeded", waited
        assert heard, "the wait told nothing of its progress"

        logs = str(await call("get_training_logs", {"name": job}))
        assert "accuracy=0.75" in logs and "$HOME is `not` expanded" in logs, logs

        wrong = await client.call_tool("get_training_job", {"nmae": job})
        assert wrong.is_error and "name" in wrong.content[0].text, wrong
        await call("delete_training_job", {"name": job, "confirmed": True})


def main() -> None:
    binary = str(pathlib.Path(sys.argv[1]).absolute())
    with tempfile.TemporaryDirectory() as folder:
        try:
            for mode, job in (("auto", "modern-era"), ("legacy", "legacy-era")):
                asyncio.run(session(binary, folder, mode, job))
        finally:
            delete = [binary, "local", "delete", "--yes"]
            subprocess.run(delete, env={"KUBEFLOW_MCP_LOCAL_DIR": folder, "HOME": folder}, check=True)
    print("both eras: planned, previewed, submitted once, followed, read")


if __name__ == "__main__":
    main()
