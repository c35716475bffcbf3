// @ai-sdk/openai, told to use chat completions.
import { createOpenAI } from "@ai-sdk/openai";
import { tasks } from "./ai_sdk.mjs";

export const { ask, stream, tools, structured, look, embed } = tasks((at) => {
  const openai = createOpenAI({ baseURL: `${at.url}/v1`, apiKey: at.key });
  return { chat: openai.chat(at.model), embedding: openai.embedding(at.model) };
});
