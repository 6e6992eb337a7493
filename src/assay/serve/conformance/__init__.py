"""47 checks of OpenAI's fine-tuning and inference interface, to be run against any server.

``python -m assay.serve.conformance --base-url … --api-key …``. It talks by the official `openai`
package over the socket, knows nothing of Assay's server, and imports nothing else of Assay.
"""
