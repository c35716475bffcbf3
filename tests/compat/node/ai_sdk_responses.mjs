// @ai-sdk/openai as it is by itself: on the Responses API.
import { createOpenAI } from "@ai-sdk/openai";
import { tasks } from "./ai_sdk.mjs";

export const { ask, stream, tools, structured, look, embed } = tasks((at) => {
  const openai = createOpenAI({ baseURL: `${at.url}/v1`, apiKey: at.key });
  return { chat: openai(at.model), embedding: openai.embedding(at.model) };
});
