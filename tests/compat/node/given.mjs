// What is given to every client of Node's: the same as in client.py.
export const given = JSON.parse(process.env.GIVEN);

export const pictureData = `data:image/png;base64,${given.pixel}`;
export const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
