# syntax=docker/dockerfile:1
# Everything in one stage: compiler, sources, tests and development dependencies are in the image.
FROM node:18
WORKDIR /app
COPY . .
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=npm-ca \
    --mount=type=cache,target=/root/.npm \
    npm install
RUN npm run build
EXPOSE 3000
CMD ["node", "dist/server.js"]
