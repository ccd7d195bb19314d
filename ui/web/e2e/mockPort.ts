/** The port of a worker's mock: each test of a worker resets it, so workers must not share one. */
export const mockPort = (worker: number) => Number(process.env.DLQ_MOCK_PORT ?? 8650) + worker
