//! Numbers of the fields and letters of the messages that this module names in code; the rest is in the dictionaries.

/// Ends each field.
pub const SOH: u8 = 1;

macro_rules! tags {
    ($($name:ident = $tag:literal),+ $(,)?) => { $(#[doc = concat!("Tag ", $tag, ".")] pub const $name: i32 = $tag;)+ };
}

tags! {
    AVG_PX = 6, BEGIN_SEQ_NO = 7, CL_ORD_ID = 11, CUM_QTY = 14, END_SEQ_NO = 16, EXEC_ID = 17, EXEC_REF_ID = 19, EXEC_TRANS_TYPE = 20,
    HANDL_INST = 21, LAST_PX = 31, LAST_QTY = 32, MSG_SEQ_NUM = 34, MSG_TYPE = 35, NEW_SEQ_NO = 36, ORDER_ID = 37, ORDER_QTY = 38,
    ORD_STATUS = 39, ORD_TYPE = 40, ORIG_CL_ORD_ID = 41, POSS_DUP_FLAG = 43, PRICE = 44, REF_SEQ_NUM = 45, SENDER_COMP_ID = 49,
    SENDING_TIME = 52, SIDE = 54, SYMBOL = 55, TARGET_COMP_ID = 56, TEXT = 58, TIME_IN_FORCE = 59, TRANSACT_TIME = 60,
    RAW_DATA_LENGTH = 95, LOCATE_REQD = 114, RAW_DATA = 96, POSS_RESEND = 97, ENCRYPT_METHOD = 98, CXL_REJ_REASON = 102, ORD_REJ_REASON = 103,
    HEART_BT_INT = 108, TEST_REQ_ID = 112, ON_BEHALF_OF_COMP_ID = 115, ON_BEHALF_OF_SUB_ID = 116, ORIG_SENDING_TIME = 122,
    GAP_FILL_FLAG = 123, DELIVER_TO_COMP_ID = 128, DELIVER_TO_SUB_ID = 129, RESET_SEQ_NUM_FLAG = 141,
    ON_BEHALF_OF_LOCATION_ID = 144, DELIVER_TO_LOCATION_ID = 145, EXEC_TYPE = 150, LEAVES_QTY = 151, REF_TAG_ID = 371,
    REF_MSG_TYPE = 372, SESSION_REJECT_REASON = 373, EXEC_RESTATEMENT_REASON = 378, BUSINESS_REJECT_REF_ID = 379,
    BUSINESS_REJECT_REASON = 380, CXL_REJ_RESPONSE_TO = 434, MASS_CANCEL_REQUEST_TYPE = 530, MASS_CANCEL_RESPONSE = 531,
    MASS_CANCEL_REJECT_REASON = 532, TOTAL_AFFECTED_ORDERS = 533, USERNAME = 553, PASSWORD = 554, ORD_STATUS_REQ_ID = 790,
    LAST_LIQUIDITY_IND = 851,
}

/// `MsgType`: the session's own.
pub mod admin {
    /// Heartbeat.
    pub const HEARTBEAT: &[u8] = b"0";
    /// Test Request.
    pub const TEST_REQUEST: &[u8] = b"1";
    /// Resend Request.
    pub const RESEND_REQUEST: &[u8] = b"2";
    /// Reject (session level).
    pub const REJECT: &[u8] = b"3";
    /// Sequence Reset.
    pub const SEQUENCE_RESET: &[u8] = b"4";
    /// Logout.
    pub const LOGOUT: &[u8] = b"5";
    /// Logon.
    pub const LOGON: &[u8] = b"A";
}

/// `MsgType`: orders and what is said of them.
pub mod app {
    /// New Order - Single.
    pub const NEW_ORDER_SINGLE: &[u8] = b"D";
    /// Order Cancel Request.
    pub const ORDER_CANCEL_REQUEST: &[u8] = b"F";
    /// Order Cancel/Replace Request.
    pub const ORDER_CANCEL_REPLACE_REQUEST: &[u8] = b"G";
    /// Order Status Request.
    pub const ORDER_STATUS_REQUEST: &[u8] = b"H";
    /// Order Mass Cancel Request (4.4).
    pub const ORDER_MASS_CANCEL_REQUEST: &[u8] = b"q";
    /// Order Mass Cancel Report (4.4).
    pub const ORDER_MASS_CANCEL_REPORT: &[u8] = b"r";
    /// Execution Report.
    pub const EXECUTION_REPORT: &[u8] = b"8";
    /// Order Cancel Reject.
    pub const ORDER_CANCEL_REJECT: &[u8] = b"9";
    /// Business Message Reject.
    pub const BUSINESS_MESSAGE_REJECT: &[u8] = b"j";
}
