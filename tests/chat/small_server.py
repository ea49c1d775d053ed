"""A small language model behind llama.cpp's OpenAI-compatible server: ``python small_server.py MODEL PORT``.

The model was taught no tools, and forgets a long list of them: its template names them, shows how they are
called, and gives it the beginning of what they answer.
"""

from __future__ import annotations

import sys
import threading

import xllamacpp

TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\nCall a tool, then answer in one sentence.\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + tool.function.name }}{%- endfor %}
{{- '\\n</tools><|im_end|>\\n' }}
{%- if messages[-1].role == 'user' %}
{%- for metric in ['loss', 'f1', 'recall'] %}
{{- '<|im_start|>user\\nWhich run has the best ' + metric + '?<|im_end|>\\n<|im_start|>assistant\\n' }}
{{- '<tool_call>\\n{"name": "best_run", "arguments": {"metric": "' + metric + '"}}\\n</tool_call>' }}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- endif %}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' %}
{{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- (call.function.arguments | tojson) + '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content[:240] + '\\n</tool_response><|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""


def main(model: str, port: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path, params.port = model, int(port)
    # So few tokens end what it goes on about.
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 768, 1, 2
    params.chat_template, params.use_jinja, params.sampling.temp = TEMPLATE, True, 0.0
    _server = xllamacpp.Server(params)  # it answers for as long as somebody holds it
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
