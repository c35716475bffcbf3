"""Three more wire formats in front of the one pipeline, which knows OpenAI chat completions only.

    responses    /v1/responses     OpenAI Responses       responses_request.py   responses_answer.py
    messages     /v1/messages      Anthropic Messages     messages_request.py    messages_answer.py
    completions  /v1/completions   OpenAI's legacy form   completions.py         completions.py

A parser makes a chat out of a body (`translated.py`), and refuses what a chat cannot express or what has no price. A
`Voice` (voices.py) says the pipeline's answer, a chat's, in the caller's format. AsgiReply holds the voice; for a chat it
holds none, and the bytes go out as they came.

Everything is pure: no I/O, no clock; ids and times come from the request's id. What a provider sent may have any shape:
an answer that was paid for is said as well as it can be, and nothing here raises because of one.

Two things have no place in OpenAI's chat and stand beside it in the chat form, for a provider that has a use for them:
`cache_control` (Anthropic's marker, on a content part, a tool, a tool call, or the body), and a model's reasoning on an
assistant message: `reasoning_content` (its text) and `reasoning_details` (OpenRouter's list: {"type": "reasoning.text",
"text", "signature"}, {"type": "reasoning.encrypted", "data"}). providers/plain.py takes both away for a provider that
would refuse them.
"""
