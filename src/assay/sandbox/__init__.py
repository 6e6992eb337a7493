"""Runs Python that is not ours in processes of its own, behind fences and within limits.

`client.Sandbox` is how it is asked. What it starts (`server`) imports nothing of Assay but this
package, and nothing of this package is imported here, so that a start costs some 20 ms.
"""
