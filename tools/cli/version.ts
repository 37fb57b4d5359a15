/** Version of this program. @module */

export const CLIENT_VERSION = "0.1.0";
