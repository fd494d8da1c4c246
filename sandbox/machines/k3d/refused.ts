/** What a program says before it ends with an exit code that is not 0. */
export class Refused extends Error {
    constructor(
        message: string,
        readonly code = 1,
    ) {
        super(message);
    }
}
