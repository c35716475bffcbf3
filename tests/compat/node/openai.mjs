// OpenAI's own SDK for Node.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { city, given, pictureData } from "./given.mjs";

const sdk = (at) => new OpenAI({ baseURL: `${at.url}/v1`, apiKey: at.key, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
const TOOLS = [
  { type: "function", function: { name: given.tool, description: "The weather somewhere", parameters: city } },
];

export async function models(at) {
  const found = [];
  for await (const model of sdk(at).models.list()) found.push(model.id);
  return found;
}

export async function ask(at, text, extra) {
  const answer = await sdk(at).chat.completions.create({ model: at.model, messages: user(text), ...extra });
  const { prompt_tokens, completion_tokens, cost } = answer.usage;
  const tokens = [prompt_tokens, completion_tokens];
  return { text: answer.choices[0].message.content, request_id: answer._request_id, tokens, cost };
}

export async function stream(at, text, leaveAfter) {
  const pieces = [];
  const chunks = await sdk(at).chat.completions.create({ model: at.model, messages: user(text), stream: true });
  for await (const chunk of chunks) {
    if (chunk.choices[0].delta.content) pieces.push(chunk.choices[0].delta.content);
    if (pieces.length === leaveAfter) break;
  }
  return pieces;
}

export async function tools(at, text) {
  const asked = { model: at.model, tools: TOOLS };
  const first = await sdk(at).chat.completions.create({ ...asked, messages: user(text) });
  const message = first.choices[0].message;
  const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: given.degrees };
  const second = await sdk(at).chat.completions.create({ ...asked, messages: [...user(text), message, result] });
  return second.choices[0].message.content;
}

export async function structured(at, text) {
  const schema = z.object({ city: z.string(), degrees: z.number() });
  const response_format = zodResponseFormat(schema, "weather");
  const answer = await sdk(at).chat.completions.parse({ model: at.model, messages: user(text), response_format });
  return answer.choices[0].message.parsed;
}

export async function look(at, text) {
  const pictures = [given.picture_url, pictureData].map((url) => ({ type: "image_url", image_url: { url } }));
  await sdk(at).chat.completions.create({ model: at.model, messages: user([{ type: "text", text }, ...pictures]) });
}

export async function embed(at, texts, encoding) {
  const how = encoding === null ? {} : { encoding_format: encoding };
  const made = await sdk(at).embeddings.create({ model: at.model, input: texts, ...how });
  return made.data.map(({ embedding }) =>
    typeof embedding === "string" ? [...new Float32Array(new Uint8Array(Buffer.from(embedding, "base64")).buffer)] : embedding,
  );
}
